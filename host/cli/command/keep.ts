import { openSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { nativeAddon } from "../../../agent/kernel/sys/native-addon.ts";
import { findGuest } from "../../guests/found-run.ts";
import type { ProcessRecord } from "../../state/state-records.ts";
import { StateStore } from "../../state/state-store.ts";
import { CliError } from "../cli-error.ts";
import { announceReady } from "../run/background.ts";
import { Interrupts } from "../run/interrupts.ts";
import { keepRunning } from "../run/keep-running.ts";
import type { RunRequest } from "../run/run-once.ts";

/** Adds the hidden command that takes the place of a guestctl that was killed. Other commands start it in the background. */
export function addKeep(program: Command): void {
  program
    .command("__keep", { hidden: true })
    .description("Keep a guest, or serve a container of it, in place of a guestctl that was killed.")
    .argument("<guest>")
    .argument("[container]")
    .action((guest: string, container?: string) => keep(new StateStore(), guest, container ?? guest));
}

async function keep(store: StateStore, guest: string, container: string): Promise<void> {
  // Held until this process ends. Of another one, our errors would be in the container's output.
  if (nativeAddon().lock(openSync(join(store.directory(guest), `${container}.lock`), "a", 0o600)) < 0) {
    process.exitCode = 1;
    return;
  }
  const found = store.processes.list(guest).find((each) => each.container === container && each.exec === container);
  if (found !== undefined && found.ended === undefined) {
    const request = (found.request as RunRequest | undefined) ?? requestOf(found, guest);
    process.exitCode = await keepRunning(store, request, { id: container, isAgain: true, found });
    return;
  }
  if (container !== guest) throw new CliError(`container ${container}: it has ended`);
  await keepGuest(store, guest);
}

/** Keeps a guest without a container of its own until it ends, or a signal ends it. */
async function keepGuest(store: StateStore, name: string): Promise<void> {
  const record = store.unkept().find((each) => each.name === name);
  if (record === undefined) throw new CliError(`guest ${name}: it isn't running, or another guestctl keeps it`);
  using interrupts = new Interrupts();
  await using undo = new AsyncDisposableStack();
  const guest = await findGuest(store, record, undo);
  announceReady();
  const died = new Promise<"died">((resolve) => {
    guest.guest.signal.addEventListener("abort", () => resolve("died"), { once: true });
  });
  if ((await Promise.race([interrupts.next(), died])) === "died") return;
  store.noteEnding(name);
  await guest.powerOff();
}

/** Stands for the request of a container that isn't run again. */
function requestOf({ terminal }: ProcessRecord, guest: string): RunRequest {
  return { words: [], flags: { tty: terminal, guest } as RunRequest["flags"] };
}
