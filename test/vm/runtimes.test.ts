import { afterAll, beforeAll, describe } from "vitest";
import { differentialSuite } from "../differential/differential-suite.ts";
import type { Machine } from "../scenarios/machine.ts";
import { startGuestMachine } from "./testing/guest-machine.ts";

// The scenarios of other runtimes run in test/namespaces, and in test/nightly in a guest.
describe("other OCI runtimes in a guest", () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { runtimes: ["crun", "runc"] });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  describe("guestd's containers compared with crun's", () =>
    differentialSuite(() => machine, { count: 2, seed: 1, limits: true }));
});
