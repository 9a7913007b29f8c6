import { appendFileSync, readFileSync, rmSync, statSync } from "node:fs";
import type { BootTimeline } from "../guest/boot-timeline.ts";

/** A guest's boot: with its duration, or failed. */
export type BootEntry =
  | {
      readonly accelerator: string;
      /** Milliseconds from QEMU's start to the agent's first answer. */
      readonly ms: number;
      /** Name of the guest, its steps, and when it was up (ISO 8601): absent in lines of an older guestctl. */
      readonly details?: { readonly guest: string; readonly timeline: BootTimeline; readonly at: string };
    }
  | { readonly failed: true };

/** Bytes, some 4000 boots; then the log begins again. Prometheus takes that for a restart, so rates stay right. */
const MAX_BYTES = 1 << 20;

/** Boots of this user's guests, one JSON line each: the records of guests that were powered off are gone. */
export class BootLog {
  readonly #path: () => string | undefined;
  readonly #maxBytes: number;

  /** `path` is undefined if the folder doesn't exist. */
  constructor(path: () => string | undefined, maxBytes = MAX_BYTES) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  add(entry: BootEntry): void {
    const path = this.#path();
    if (path === undefined) return;
    const { size = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
    if (size > this.#maxBytes) rmSync(path, { force: true });
    // One write in append mode: lines of concurrent processes don't mix.
    appendFileSync(path, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
  }

  /** Returns the boots that are on file, oldest first. */
  list(): readonly BootEntry[] {
    const path = this.#path();
    if (path === undefined) return [];
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
    // A line whose end is missing is being written.
    const lines = text.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as BootEntry);
  }
}
