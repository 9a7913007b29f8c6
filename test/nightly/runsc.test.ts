import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe } from "vitest";
import { gvisorScenarios } from "../scenarios/gvisor.ts";
import type { Machine } from "../scenarios/machine.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

/**
 * Returns why runsc can't be built, or undefined. The build downloads from the Go module proxy, once for each version.
 */
function whyNoGo(): string | undefined {
  try {
    execFileSync("go", ["version"]);
    return undefined;
  } catch {
    return "go is not installed, which builds runsc";
  }
}

const reason = whyNoGo();

describe(`gVisor in a guest${reason === undefined ? "" : ` (skipped: ${reason})`}`, {
  skip: reason !== undefined,
}, () => {
  const current = {} as { pod: Pod };
  let machine: Machine;
  beforeAll(async () => {
    machine = await startGuestMachine(1024, { runtimes: ["runsc"] });
    current.pod = await Pod.open(machine, await machine.connect(), { "guestd.runtime": "runsc" });
  }, 600_000);
  afterAll(async () => {
    await current.pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });
  gvisorScenarios(current);
});
