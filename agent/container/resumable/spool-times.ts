import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from "node:fs";
import type { Fd } from "../../kernel/kernel.ts";

/** Most moments that are kept. */
const MAX_MOMENTS = 4096;
/** Output of so many ms counts as one moment. */
const MOMENT_MS = 10;
const ENTRY_BYTES = 16;

interface Moment {
  /** Offset of the first byte that was taken at that time. */
  readonly offset: number;
  readonly ms: number;
}

/** When output was taken, in a file on tmpfs beside its bytes: the last moments, in a ring of entries of 16 bytes. */
export class SpoolTimes {
  readonly #fd: Fd;
  /** Number of moments noted so far; the last MAX_MOMENTS are in the file. */
  #count: number;
  #last = 0;

  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    this.#count = this.#counted();
  }

  /** Notes that output from `offset` on was taken now. Returns the first offset whose time is known. */
  note(offset: number, ms: number): number {
    if (Math.abs(ms - this.#last) < MOMENT_MS && this.#count > 0) return this.#first;
    const entry = Buffer.from(Float64Array.of(offset + 1, ms).buffer);
    try {
      if (writeSync(this.#fd, entry, 0, ENTRY_BYTES, (this.#count % MAX_MOMENTS) * ENTRY_BYTES) === ENTRY_BYTES) {
        this.#last = ms;
        this.#count++;
      }
    } catch {
      // No memory: the output counts as taken with that before it.
    }
    return this.#first;
  }

  /** Returns the moment of a byte, and the offset at which the next one begins. */
  at(offset: number): { readonly ms: number; readonly to: number } | undefined {
    const after = this.#search((moment) => moment.offset > offset);
    const found = this.#entry(after - 1);
    return found && { ms: found.ms, to: this.#entry(after)?.offset ?? Number.MAX_SAFE_INTEGER };
  }

  /** Returns the offset of the first moment at or after a time; undefined if there is none yet. */
  since(ms: number): number | undefined {
    return this.#entry(this.#search((moment) => moment.ms >= ms))?.offset;
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Offset of the oldest moment, if older ones were dropped. */
  get #first(): number {
    return this.#count > MAX_MOMENTS ? (this.#entry(this.#count - MAX_MOMENTS)?.offset ?? 0) : 0;
  }

  /** Returns the number of the first moment that passes, the count if none does. */
  #search(passes: (moment: Moment) => boolean): number {
    let [low, high] = [Math.max(this.#count - MAX_MOMENTS, 0), this.#count];
    while (low < high) {
      const middle = (low + high) >> 1;
      const moment = this.#entry(middle);
      if (moment !== undefined && !passes(moment)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #entry(number: number): Moment | undefined {
    if (number < 0 || number < this.#count - MAX_MOMENTS || number >= this.#count) return undefined;
    const entry = new Float64Array(2);
    readSync(this.#fd, new Uint8Array(entry.buffer), 0, ENTRY_BYTES, (number % MAX_MOMENTS) * ENTRY_BYTES);
    return { offset: (entry[0] ?? 1) - 1, ms: entry[1] ?? 0 };
  }

  /** Returns how many moments a previous agent has noted, at least those in the file. */
  #counted(): number {
    const entries = Math.min(Math.floor(fstatSync(this.#fd).size / ENTRY_BYTES), MAX_MOMENTS);
    if (entries < MAX_MOMENTS) return entries;
    const words = new Float64Array(MAX_MOMENTS * 2);
    readSync(this.#fd, new Uint8Array(words.buffer), 0, words.byteLength, 0);
    let newest = 0;
    for (let at = 1; at < MAX_MOMENTS; at++) if ((words[at * 2] ?? 0) > (words[newest * 2] ?? 0)) newest = at;
    return MAX_MOMENTS + newest + 1;
  }
}
