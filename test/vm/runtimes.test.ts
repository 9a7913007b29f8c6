import { afterAll, beforeAll, describe } from "vitest";
import { differentialSuite } from "../differential/differential-suite.ts";
import type { Machine } from "../scenarios/machine.ts";
import { otherRuntimeScenarios } from "../scenarios/other-runtime.ts";
import { startGuestMachine } from "./testing/guest-machine.ts";

describe("other OCI runtimes in a guest", () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { runtimes: ["crun", "runc"] });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  // The other scenarios run in test/namespaces on a host and in test/nightly in a guest.
  describe("containers created by crun", () => otherRuntimeScenarios(() => machine, "crun", ["limits"]));
  describe("containers created by runc", () => otherRuntimeScenarios(() => machine, "runc", ["limits"]));
  describe("guestd's containers compared with crun's", () =>
    differentialSuite(() => machine, { count: 10, seed: 1, limits: true }));
});
