import { openSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { nativeAddon } from "../../../agent/kernel/sys/native-addon.ts";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { serveOperations } from "../../engine/supervisor/serve-keeper.ts";
import { SUPERVISOR_SOCKET, type SupervisorOperations } from "../../engine/supervisor/supervise.ts";
import { Supervisor } from "../../engine/supervisor/supervisor.ts";
import { type RunRequest, startDetached } from "../run/run-once.ts";

/** Adds the hidden command that keeps what runs without a command (`supervise`). */
export function addSupervise(program: Command): void {
  program
    .command("__supervise", { hidden: true })
    .description("Keep detached guests and containers until they end.")
    .action(() => supervise());
}

/** Adds the hidden command that runs a container again by its policy. */
export function addRestartByPolicy(program: Command): void {
  program
    .command("__restart", { hidden: true })
    .description("Run a container again, as its restart policy says.")
    .argument("<guest>")
    .argument("<container>")
    .action((guest: string, container: string) => restart(guest, container));
}

async function supervise(): Promise<void> {
  const store = new StateStore();
  // Held until this process ends.
  const lock = openSync(join(store.root, ".supervisor"), "a", 0o600);
  if (nativeAddon().lock(lock) < 0) return;
  const supervisor = new Supervisor(store);
  await using _served = await serveOperations<SupervisorOperations>(join(store.root, SUPERVISOR_SOCKET), {
    adopt: () => supervisor.adopt(),
    end: (request) => supervisor.end(request),
  });
  await supervisor.idle();
}

async function restart(guest: string, container: string): Promise<void> {
  const store = new StateStore();
  const record = store.processes.list(guest).find(({ exec }) => exec === container);
  if (record?.request === undefined) return; // removed meanwhile
  using interrupts = new Interrupts();
  const turn = { id: container, interrupts, restarts: (record.restarts ?? 0) + 1, isAgain: true };
  await startDetached(store, record.request as RunRequest, turn);
}
