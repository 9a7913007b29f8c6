import { readFileSync } from "node:fs";

export interface Memory {
  readonly rssKib: number;
  /** Private modified pages: the process's cost beyond its files. */
  readonly privateDirtyKib: number;
}

/** Reads the memory usage of a process; needs root for another user's. */
export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]);
  return { rssKib: kib("Rss"), privateDirtyKib: kib("Private_Dirty") };
}
