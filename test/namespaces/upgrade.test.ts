import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildShippedAgent } from "../bench/shipped-agent.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { brokenBundleScenarios, CANNOT_LOAD, ENDS_EARLY } from "../scenarios/broken-bundles.ts";
import type { Machine } from "../scenarios/machine.ts";
import { upgradeScenarios } from "../scenarios/upgrade.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("an upgrade of the agent in namespaces", () => {
  let directory: string;
  let agentCommand: readonly string[];
  beforeAll(async () => {
    directory = makeWorkDirectory("upgrade");
    agentCommand = await buildShippedAgent(join(import.meta.dirname, "../.."), directory);
  }, 60_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const built = () => ({ bundles: join(directory, "agent"), natives: join(directory, "agent") });

  // Few upgrades for each machine, because init waits longer before each restart.
  describe("to another bundle", () =>
    upgradeScenarios(
      onMachine(() => agentCommand),
      built,
    ));
  describe("to a broken bundle", () =>
    brokenBundleScenarios(
      onMachine(() => agentCommand),
      built,
      [ENDS_EARLY, CANNOT_LOAD],
    ));
});

/** Registers a machine for the tests of the current suite. */
function onMachine(agentCommand: () => readonly string[]): () => Machine {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startHostAgent({ agentCommand: agentCommand() });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  return () => machine;
}

describeInNamespaces("an agent that was started without the launcher", () => {
  it("refuses an upgrade", async () => {
    await using machine = await startHostAgent();
    await using client = await machine.connect();
    await expect(client.guest.upgrade({})).rejects.toMatchObject({ kind: "failed-precondition" });
    expect(await client.guest.running({})).toMatchObject({ bundle: "", generation: 1 });
  });
});
