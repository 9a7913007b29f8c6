import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { nativeAddon } from "../../../agent/kernel/sys/native-addon.ts";
import { isAlive } from "../../../lib/process-owner.ts";
import { oneLine } from "../../operation-error.ts";
import type { ProcessRecord } from "../../state/state-records.ts";
import { StateStore } from "../../state/state-store.ts";
import { visibleLine } from "../../visible.ts";
import { CliError } from "../cli-error.ts";
import { outputFile, runInBackground } from "./background.ts";
import { isToBeRestarted } from "./restart-policy.ts";

const POLL_MS = 50;

/** A guest, or a container of it, whose guestctl was killed. */
interface Lost {
  readonly guest: string;
  readonly id: string;
  readonly output?: string | undefined;
}

/**
 * Starts a guestctl in the background for each guest and container whose own was killed, and waits until it has taken over:
 * guests are kept, output is written, ends are recorded and restart policies obeyed as before. Prints one line for each that
 * can't; its guest and container stay as they are.
 */
export async function replaceKilled(store = new StateStore()): Promise<void> {
  try {
    if (findLost(store).length === 0) return;
  } catch {
    return; // a command that needs the store reports it
  }
  // Other commands wait for this one and for the processes that it starts, and then find nothing left to do.
  const lock = openSync(join(store.root, ".replace"), "a", 0o600);
  try {
    while (nativeAddon().lock(lock) < 0) await delay(POLL_MS);
    for (const lost of findLost(store)) await replace(store, lost, lock);
  } finally {
    closeSync(lock);
  }
}

/** Returns guests first, since their containers are reached through the guestctl that keeps them. */
function findLost(store: StateStore): readonly Lost[] {
  const running = store.guests().map(({ name }) => name);
  const ended = store.endedGuests().map(({ name }) => name);
  const guests = store.unkept().map(({ name }) => {
    const own = store.processes.list(name).find(({ container, exec }) => container === name && exec === name);
    return { guest: name, id: name, output: own?.output };
  });
  const containers = [...running, ...ended].flatMap((guest) =>
    store.processes
      .list(guest)
      .filter(isUnserved)
      // After its guest's end, only a container with a guest of its own can be started again.
      .filter(({ exec }) => exec === guest || running.includes(guest))
      .filter(({ exec }) => !guests.some(({ id }) => id === exec && id === guest))
      .map(({ exec, output }) => ({ guest, id: exec, output })),
  );
  return [...guests, ...containers];
}

/** True for a container that runs, or that its policy restarts, while no guestctl does its part. */
function isUnserved(record: ProcessRecord): boolean {
  const { container, exec, keeper, ended } = record;
  if (container !== exec || keeper === undefined || isAlive(keeper)) return false;
  return ended === undefined || isToBeRestarted(record);
}

async function replace(store: StateStore, { guest, id, output }: Lost, lock: number): Promise<void> {
  const file = output ?? outputFile(store, guest, id);
  try {
    await runInBackground(id, file, { words: ["__keep", guest, id], append: output !== undefined, lock });
  } catch (error) {
    if (error instanceof CliError && error.exitCode === 0) return; // it has ended meanwhile
    const remedy = store.unkept().some(({ name }) => name === guest) ? `; guestctl stop ${guest} ends it` : "";
    const line = `${id}: its guestctl was killed, and no other takes its place: ${oneLine(error)}${remedy}`;
    process.stderr.write(`guestctl: ${visibleLine(line)}\n`);
  }
}
