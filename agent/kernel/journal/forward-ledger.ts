import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import type { Fd } from "../kernel.ts";
import type { PumpMemory } from "../sys/sys-descriptors.ts";

/** Version of the layout, changed whenever it changes: a ledger with another version is discarded. */
const LAYOUT = 0x6f01;
/** Most forwarded connections at once. */
export const MAX_FORWARDS = 128;

/** Words of the file are doubles: the layout, the note (held, at, base), then two counts for each place. */
const NOTE_AT = 1;
const NOTE_WORDS = 3;
const COUNTS_AT = NOTE_AT + NOTE_WORDS;
const LEDGER_BYTES = (COUNTS_AT + MAX_FORWARDS * 2) * 8;

/** 0: to the target. 1: to the client. */
export type Direction = 0 | 1;

/** A move out of a direction's pipe, noted before it begins. */
export interface ForwardNote {
  readonly place: number;
  readonly direction: Direction;
  /** Bytes moved before. */
  readonly base: number;
  /** Bytes in the pipe before. */
  readonly held: number;
}

/** Number of bytes that each forwarded connection has delivered, in memory that outlives the agent. */
export class ForwardLedger {
  readonly #words: Float64Array;

  constructor(memory: ArrayBuffer) {
    this.#words = new Float64Array(memory, 0, LEDGER_BYTES / 8);
  }

  moved(place: number, direction: Direction): number {
    return this.#words[at(place, direction)] ?? 0;
  }

  setMoved(place: number, direction: Direction, count: number): void {
    this.#words[at(place, direction)] = count;
  }

  /** The move that the previous agent had begun; undefined if none. */
  get note(): ForwardNote | undefined {
    const [held = 0, index = 0, base = 0] = this.#words.subarray(NOTE_AT);
    const inside = index - COUNTS_AT;
    if (held === 0 || !(inside >= 0 && inside < MAX_FORWARDS * 2)) return undefined;
    return { place: inside >> 1, direction: (inside & 1) as Direction, base, held };
  }

  /** Forgets the move; its count must be set. */
  end(): void {
    this.#words[NOTE_AT] = 0;
  }

  /** Memory in which moves of a direction are noted and counted. */
  memoryOf(place: number, direction: Direction): PumpMemory {
    const index = at(place, direction);
    const part = (from: number, length: number) => this.#words.subarray(from, from + length);
    return { note: part(NOTE_AT, NOTE_WORDS), count: part(index, 1), at: index };
  }
}

const at = (place: number, direction: Direction) => COUNTS_AT + place * 2 + direction;

/** Opens the ledger at `path` with the previous agent's counts, or creates one. */
export function openForwardLedger(path: string, mapShared: (fd: Fd, length: number) => ArrayBuffer): ForwardLedger {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    const layout = Buffer.alloc(8);
    if (readSync(fd, layout, 0, 8, 0) < 8 || layout.readDoubleLE() !== LAYOUT) start(fd);
    return new ForwardLedger(mapShared(fd, LEDGER_BYTES));
  } finally {
    closeSync(fd); // the mapping stays
  }
}

/** Returns memory for a ledger in tests. */
export const createForwardLedgerMemory = (): ArrayBuffer => new ArrayBuffer(LEDGER_BYTES);

/** Writes all of the file: touching a page that isn't allocated raises SIGBUS if /run is full. The layout is written last. */
function start(fd: Fd): void {
  writeSync(fd, new Uint8Array(LEDGER_BYTES), 0, LEDGER_BYTES, 0);
  writeSync(fd, Float64Array.of(LAYOUT), 0, 8, 0);
}
