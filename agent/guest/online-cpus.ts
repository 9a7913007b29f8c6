import { readdir, readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentError } from "../kernel/error.ts";

const CPUS = "/sys/devices/system/cpu";
const TRIES = 100;
const PAUSE_MS = 50;
/** How long one who does not wait is kept, ms: what was plugged in just now is there by then. */
const GRACE_MS = 200;

export interface OnlineCpus {
  /**
   * How many are asked for. The Go shim means so many more, runtime-rs so many in all: either is enough, and whatever is
   * plugged in comes online.
   */
  readonly count: number;
  /** Answer when they are there, and fail after 5 s; else answer soon and go on looking. */
  readonly wait: boolean;
  readonly signal?: AbortSignal;
  /** Told what did not come after an answer was given. */
  readonly warn?: (line: string) => void;
}

/** Brings processors that were plugged in online. */
export async function onlineCpus({ count, wait, signal, warn }: OnlineCpus, directory = CPUS): Promise<void> {
  if (count === 0) return;
  if (wait) return bringOnline(directory, count, TRIES, signal);
  const work = bringOnline(directory, count, Math.ceil(GRACE_MS / PAUSE_MS));
  work.catch((error: Error) => warn?.(error.message));
  await Promise.race([work, sleep(GRACE_MS, undefined, { signal, ref: false })]);
}

/** `settled`: after so many tries it is enough that there are as many in all, none of which came by this call. */
async function bringOnline(directory: string, count: number, settled: number, signal?: AbortSignal): Promise<void> {
  let brought = 0;
  for (let tries = 1; ; tries++) {
    const { changed, total, problem } = await onlineAll(directory);
    brought += changed;
    if (brought >= count || (total >= count && (brought > 0 || tries >= settled))) return;
    if (tries >= TRIES) {
      const what = `${count} asked for, ${brought} brought online within ${(TRIES * PAUSE_MS) / 1000} s, ${total} are`;
      throw new AgentError("internal", `online processors: ${what}${problem === undefined ? "" : `; ${problem}`}`);
    }
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

interface Round {
  readonly changed: number;
  /** Online after it. */
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

/** The first processor of most machines can't be taken off and has no such file. */
async function isOffline(file: string): Promise<boolean> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "1";
    throw error;
  });
  return text.trim() === "0";
}
