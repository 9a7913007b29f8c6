import type { Command } from "commander";
import { causeOfDeath } from "../../guests/guest-death.ts";
import { findKeptGuest } from "../../guests/kept-guest.ts";
import type { GuestRecord, ProcessRecord } from "../../state/state-records.ts";
import { StateStore } from "../../state/state-store.ts";
import { keepUntilEnd } from "../guest/keep-until-end.ts";
import { announceReady } from "../run/background.ts";
import { Interrupts } from "../run/interrupts.ts";
import { keepRunning } from "../run/keep-running.ts";
import { isToBeRestarted } from "../run/restart-policy.ts";
import type { RunRequest } from "../run/run-once.ts";

/** Adds the hidden command that takes the place of a guestctl that was killed (`replaceKilled`). */
export function addKeep(program: Command): void {
  program
    .command("__keep", { hidden: true })
    .description("Keep a guest, or serve a container of it, in place of a guestctl that was killed.")
    .argument("<guest>")
    .argument("<container>")
    .action((guest: string, container: string) => keep(new StateStore(), guest, container));
}

async function keep(store: StateStore, guest: string, container: string): Promise<void> {
  const record = container === guest ? store.unkept().find(({ name }) => name === guest) : undefined;
  try {
    const found = store.processes.list(guest).find((each) => each.container === container && each.exec === container);
    const isOver = found === undefined ? record?.isOwn === true : found.ended !== undefined;
    if (record !== undefined && (record.ending || isOver)) await endGuest(store, record);
    else if (record !== undefined && found === undefined) await keepGuest(store, record);
    if (found !== undefined && (found.ended ? isToBeRestarted(found) : !record?.ending))
      await serve(store, guest, found);
  } catch (error) {
    // The guest may have been ending when its guestctl was killed.
    if (record === undefined || store.guests().some(({ name }) => name === guest)) throw error;
  }
}

async function serve(store: StateStore, guest: string, found: ProcessRecord): Promise<void> {
  const request = (found.request as RunRequest | undefined) ?? requestOf(found, guest);
  process.exitCode = await keepRunning(store, request, { id: found.container, isAgain: true, found });
}

/** Powers off a guest that was being powered off, or whose container has ended. */
async function endGuest(store: StateStore, record: GuestRecord): Promise<void> {
  const guest = await findKeptGuest(store, record);
  store.noteEnding(record.name);
  await guest.powerOff();
  if (record.isOwn) store.closeGuest(record.name);
  else store.removeGuest(record.name);
}

/** Keeps a guest without a container of its own until it ends, or a signal powers it off. */
async function keepGuest(store: StateStore, record: GuestRecord): Promise<void> {
  using interrupts = new Interrupts();
  const guest = await findKeptGuest(store, record);
  announceReady();
  try {
    await keepUntilEnd(store, record.name, guest, interrupts);
    store.removeGuest(record.name);
  } catch (error) {
    store.closeGuest(record.name, causeOfDeath(error));
  }
}

/** Stands for the request of a container that isn't run again. */
function requestOf({ terminal }: ProcessRecord, guest: string): RunRequest {
  return { words: [], flags: { tty: terminal, guest } as RunRequest["flags"] };
}
