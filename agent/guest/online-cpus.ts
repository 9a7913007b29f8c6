import { readdir, readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentError } from "../kernel/error.ts";

const CPUS = "/sys/devices/system/cpu";
const TRIES = 100;
const PAUSE_MS = 50;
/** How long a call without `wait` is held, ms. A processor that was just plugged in appears within that time. */
const GRACE_MS = 200;

export interface OnlineCpus {
  /**
   * Requested number. The Go shim means that many more, runtime-rs that many in total: either suffices, and every
   * plugged-in processor comes online.
   */
  readonly count: number;
  /**
   * If true, the call answers once the processors are online and fails after 5 s. Otherwise it answers soon and the
   * work continues.
   */
  readonly wait: boolean;
  readonly signal?: AbortSignal;
  /** Called if processors are missing after the answer was given. */
  readonly warn?: (line: string) => void;
}

/** Brings plugged-in processors online. */
export async function onlineCpus({ count, wait, signal, warn }: OnlineCpus, directory = CPUS): Promise<void> {
  if (count === 0) return;
  if (wait) return bringOnline(directory, count, TRIES, signal);
  const work = bringOnline(directory, count, Math.ceil(GRACE_MS / PAUSE_MS));
  work.catch((error: Error) => warn?.(error.message));
  await Promise.race([work, sleep(GRACE_MS, undefined, { signal, ref: false })]);
}

/** After `settled` attempts, the requested total suffices even if this call brought none online. */
async function bringOnline(directory: string, count: number, settled: number, signal?: AbortSignal): Promise<void> {
  let brought = 0;
  for (let tries = 1; ; tries++) {
    const { changed, total, problem } = await onlineAll(directory);
    brought += changed;
    if (brought >= count || (total >= count && (brought > 0 || tries >= settled))) return;
    if (tries >= TRIES) {
      const what = `${count} requested, ${brought} brought online within ${(TRIES * PAUSE_MS) / 1000} s, ${total} online in total`;
      throw new AgentError("internal", `online processors: ${what}${problem === undefined ? "" : `; ${problem}`}`);
    }
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

interface Round {
  readonly changed: number;
  /** Processors online after the round. */
  readonly total: number;
  readonly problem: string | undefined;
}

async function onlineAll(directory: string): Promise<Round> {
  let [changed, total] = [0, 0];
  let problem: string | undefined;
  for (const name of await readdir(directory)) {
    if (!/^cpu\d+$/.test(name)) continue;
    const file = `${directory}/${name}/online`;
    try {
      if (await isOffline(file)) {
        await writeFile(file, "1", { flag: "r+" });
        changed += 1;
      }
      total += 1;
    } catch (error) {
      problem = `${name}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
    }
  }
  return { changed, total, problem };
}

/** The first processor of most machines can't go offline and lacks this file. */
async function isOffline(file: string): Promise<boolean> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "1";
    throw error;
  });
  return text.trim() === "0";
}
