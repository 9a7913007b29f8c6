import { readFileSync } from "node:fs";

export interface Memory {
  readonly rssKib: number;
  /** Pages that are this process's alone and changed: what it costs beyond its files. */
  readonly privateDirtyKib: number;
}

/** Of a process of this machine; needs root for one that is not ours. */
export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]);
  return { rssKib: kib("Rss"), privateDirtyKib: kib("Private_Dirty") };
}
