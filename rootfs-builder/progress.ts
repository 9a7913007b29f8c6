import { AsyncLocalStorage } from "node:async_hooks";

/** Progress of a long part of a step. */
export interface Progress {
  /** The counted unit. */
  readonly unit: "MiB" | "packages";
  readonly done: number;
  readonly total: number;
}

const WIDTH = 24;
const MIB = 2 ** 20;
const watcher = new AsyncLocalStorage<(progress: Progress) => void>();

/** Runs `work` and passes its progress reports to `watch`. */
export function watchProgress<T>(watch: (progress: Progress) => void, work: () => Promise<T>): Promise<T> {
  return watcher.run(watch, work);
}

/** Reports progress to the watcher, if there is one. */
export function reportProgress(progress: Progress): void {
  watcher.getStore()?.(progress);
}

export function tellBytes(done: number, total: number): void {
  reportProgress({ unit: "MiB", done: done / MIB, total: total / MIB });
}

/** Formats progress as "████████░░░░ 66 %, 12 of 18 MiB". */
export function progressBar({ unit, done, total }: Progress): string {
  const part = total <= 0 ? 1 : Math.min(Math.max(done / total, 0), 1);
  const full = Math.round(part * WIDTH);
  const bar = "█".repeat(full) + "░".repeat(WIDTH - full);
  return `${bar} ${Math.floor(part * 100)} %, ${Math.round(done)} of ${Math.round(total)} ${unit}`;
}
