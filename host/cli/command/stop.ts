import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { CliError } from "../cli-error.ts";
import { isAlive, terminate } from "../process-owner.ts";
import { StateStore } from "../state-store.ts";
import { findTarget } from "../target.ts";

/** Milliseconds: a power-off gets thirty seconds, and its owner kills it then. */
const LIMIT_MS = 40_000;
const LOOK_EVERY_MS = 50;

/** `guestctl stop`. */
export function addStop(program: Command): void {
  program
    .command("stop")
    .summary("power a guest off")
    .description("Powers a guest off, with all that runs in it. Without a name the only one that runs.")
    .argument("[guest]")
    .action((guest: string | undefined) => stop(guest));
}

async function stop(name: string | undefined): Promise<void> {
  const store = new StateStore();
  const { guest } = findTarget(store, name === undefined ? {} : { guest: name });
  const owner = guest && store.owner(guest.name);
  if (guest === undefined || owner === undefined) return;
  terminate(owner);
  for (let waited = 0; isAlive(owner); waited += LOOK_EVERY_MS) {
    if (waited > LIMIT_MS) throw new CliError(`stop ${guest.name}: process ${owner.pid} still runs: kill it`);
    await delay(LOOK_EVERY_MS);
  }
  process.stdout.write(`${guest.name}\n`);
}
