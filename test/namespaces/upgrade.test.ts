import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { brokenBundleScenarios, CANNOT_LOAD, ENDS_EARLY } from "../scenarios/broken-bundles.ts";
import type { Machine } from "../scenarios/machine.ts";
import { upgradeScenarios } from "../scenarios/upgrade.ts";
import { builtAgent } from "../testing/built-agent.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("an upgrade of the agent in namespaces", () => {
  let files = "";
  beforeAll(async () => {
    ({ files } = await builtAgent());
  });
  const built = () => ({ bundles: files, natives: files });

  // Few upgrades for each machine, because init waits longer before each restart.
  describe("to another bundle", () => upgradeScenarios(onMachine(), built));
  describe("to a broken bundle", () => brokenBundleScenarios(onMachine(), built, [ENDS_EARLY, CANNOT_LOAD]));
});

/** Registers a machine for the tests of the current suite. */
function onMachine(): () => Machine {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  return () => machine;
}

describeInNamespaces("an agent that was started without the launcher", () => {
  it("refuses an upgrade", async () => {
    const sources = [process.execPath, join(import.meta.dirname, "../../agent/main.ts")];
    await using machine = await startHostAgent({ agentCommand: sources });
    await using client = await machine.connect();
    await expect(client.guest.upgrade({})).rejects.toMatchObject({ kind: "failed-precondition" });
    expect(await client.guest.running({})).toMatchObject({ bundle: "", generation: 1 });
  });
});
