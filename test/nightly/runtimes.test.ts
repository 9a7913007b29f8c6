import { afterAll, beforeAll, beforeEach, describe } from "vitest";
import { differentialSuite } from "../differential/differential-suite.ts";
import type { Machine } from "../scenarios/machine.ts";
import { otherRuntimeScenarios } from "../scenarios/other-runtime.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

/** All scenarios; `npm test` runs a part of them on the host. */
describe("other OCI runtimes in a guest", () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { runtimes: ["crun", "runc"] });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  // virtiofsd has a descriptor open for each file in the guest's cache, and some machines allow only 20,000.
  beforeEach(() => machine.shell("echo 2 > /proc/sys/vm/drop_caches"));
  describe.each(["crun", "runc"])("containers created by %s", (runtime) => {
    otherRuntimeScenarios(() => machine, runtime, [
      "containers",
      "fields of the spec",
      "limits",
      "failures and removals",
    ]);
  });
  // Other specs every day.
  describe("guestd's containers compared with crun's", () =>
    differentialSuite(() => machine, { count: 300, seed: Math.floor(Date.now() / 86_400_000), limits: true }));
});
