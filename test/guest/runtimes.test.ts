import { afterAll, beforeAll, describe } from "vitest";
import type { Machine } from "../scenarios/machine.ts";
import { otherRuntimeScenarios } from "../scenarios/other-runtime.ts";
import { startGuestMachine } from "./guest-machine.ts";

describe("other OCI runtimes in a real guest", () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { runtimes: ["crun", "runc"] });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  describe.each(["crun", "runc"])("containers made by %s", (runtime) => {
    otherRuntimeScenarios(() => machine, runtime, true);
  });
});
