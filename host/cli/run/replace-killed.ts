import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { nativeAddon } from "../../../agent/kernel/sys/native-addon.ts";
import { isAlive } from "../../../lib/process-owner.ts";
import { oneLine } from "../../operation-error.ts";
import type { ProcessRecord } from "../../state/state-records.ts";
import { StateStore } from "../../state/state-store.ts";
import { outputFile, runInBackground } from "./background.ts";
import { isRestarted } from "./restart-policy.ts";
import type { RunRequest } from "./run-once.ts";

const POLL_MS = 50;

/**
 * Starts a guestctl in the background for each guest and container whose own was killed, and waits until they have their
 * place: then guests are kept, output is written, ends are recorded and restart policies obeyed as before. Prints a line
 * for one that fails.
 */
export async function replaceKilled(store = new StateStore()): Promise<void> {
  if (!isAnyKilled(store)) return;
  // One command after the other: the next one finds that all is done.
  const lock = openSync(join(store.root, ".replace"), "a", 0o600);
  while (nativeAddon().lock(lock) < 0) await delay(POLL_MS);
  try {
    await replaceAll(store);
  } finally {
    closeSync(lock);
  }
}

async function replaceAll(store: StateStore): Promise<void> {
  for (const { name } of store.unkept()) await replace(store, name, name, ["__keep", name]);
  for (const { name } of store.guests()) {
    for (const record of unserved(store, name).filter(({ ended, exec }) => ended === undefined && exec !== name))
      await replace(store, name, record.exec, ["__keep", name, record.exec]);
  }
  for (const { name } of [...store.guests(), ...store.endedGuests()]) {
    for (const record of unserved(store, name).filter(isWaiting))
      await replace(store, name, record.exec, ["start", "--guest", name, record.exec]);
  }
}

function isAnyKilled(store: StateStore): boolean {
  const guests = [...store.guests(), ...store.endedGuests()];
  const isLeft = (record: ProcessRecord) => record.ended === undefined || isWaiting(record);
  return store.unkept().length > 0 || guests.some(({ name }) => unserved(store, name).some(isLeft));
}

/** Returns the containers of a guest whose guestctl was killed. */
function unserved(store: StateStore, guest: string): readonly ProcessRecord[] {
  const first = store.processes.list(guest).filter(({ container, exec }) => container === exec);
  return first.filter(({ keeper }) => keeper !== undefined && !isAlive(keeper));
}

/** True if a container has ended and its policy wants another run. */
function isWaiting({ ended, stopped, request, restarts = 0 }: ProcessRecord): boolean {
  if (ended === undefined || stopped !== undefined || request === undefined) return false;
  const { restart } = (request as RunRequest).flags;
  return restart !== undefined && isRestarted(restart, ended.code, restarts);
}

async function replace(store: StateStore, guest: string, id: string, words: readonly string[]): Promise<void> {
  const record = store.processes.list(guest).find(({ exec }) => exec === id);
  const output = record?.output ?? outputFile(store, guest, id);
  try {
    await runInBackground(id, output, { words, append: record?.output !== undefined });
  } catch (error) {
    const isKept =
      id === guest ? !store.unkept().some(({ name }) => name === guest) : unserved(store, guest).length === 0;
    if (!isKept)
      process.stderr.write(
        `guestctl: ${id}: its guestctl was killed, and no other takes its place: ${oneLine(error)}\n`,
      );
  }
}
