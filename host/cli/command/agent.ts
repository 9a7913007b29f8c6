import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { RpcError } from "../../client/rpc-error.ts";
import { connectTo, type Target } from "../../engine/guest/guest-target.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { CliError } from "../cli-error.ts";
import { findTarget, type TargetFlags, withTarget } from "../guest/target.ts";

/** How long to wait for the next agent, in milliseconds; under software emulation it starts slowly. */
const LIMIT_MS = 60_000;
const AGAIN_MS = 50;
const ANSWER_MS = 5000;

/** Adds `guestctl agent`. */
export function addAgent(program: Command): void {
  const agent = program.command("agent").description("Act on a guest's agent.");
  const kill = agent
    .command("kill")
    .summary("kill the agent and wait for the next one")
    .description(
      "Make a guest's agent kill itself with SIGKILL, then wait until the next one answers. Containers keep running.",
    );
  withTarget(kill).action((flags: TargetFlags) => killAgent(flags));
}

async function killAgent(flags: TargetFlags): Promise<void> {
  const target = findTarget(new StateStore(), flags);
  const begun = performance.now();
  const generation = await askToDie(target);
  for (;;) {
    const next = await generationOf(target);
    const ms = performance.now() - begun;
    if (next !== undefined && next > generation) {
      process.stdout.write(`agent ${generation} was killed, agent ${next} answers after ${(ms / 1000).toFixed(2)} s\n`);
      return;
    }
    if (ms > LIMIT_MS) throw new CliError(`agent kill: no new agent answered within ${LIMIT_MS / 1000} s`);
    await delay(AGAIN_MS);
  }
}

async function askToDie(target: Target): Promise<number> {
  await using client = await connectTo(target);
  return (await client.guest.kill({})).generation;
}

/** Returns undefined while no agent is running. */
async function generationOf(target: Target): Promise<number | undefined> {
  try {
    await using client = await connectTo(target);
    return (await client.guest.running({}, { timeoutMs: ANSWER_MS })).generation;
  } catch (error) {
    if (error instanceof RpcError || (error as NodeJS.ErrnoException).code !== undefined) return undefined;
    throw error;
  }
}
