import { afterAll, beforeAll, describe } from "vitest";
import { differentialSuite } from "../differential/differential-suite.ts";
import type { Machine } from "../scenarios/machine.ts";
import { otherRuntimeScenarios } from "../scenarios/other-runtime.ts";
import { startGuestMachine } from "./guest-machine.ts";

describe("other OCI runtimes in a guest", () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { runtimes: ["crun", "runc"] });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  // The rest of the scenarios: test/agent on a host, test/nightly in a guest.
  describe("containers made by crun", () => otherRuntimeScenarios(() => machine, "crun", ["limits"]));
  describe("containers made by runc", () => otherRuntimeScenarios(() => machine, "runc", ["limits"]));
  describe("containers of guestd beside those of crun", () =>
    differentialSuite(() => machine, { count: 10, seed: 1, limits: true }));
});
