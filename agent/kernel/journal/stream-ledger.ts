import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from "node:fs";
import type { Fd } from "../kernel.ts";
import { randomBytes } from "../random-bytes.ts";

/** Version of the layout, changed whenever it changes: a ledger with another version is discarded. */
const LAYOUT = 0x6b03;
/** Most processes with positions at once. */
export const MAX_LEDGER_ENTRIES = 1024;
/** Entries of a new ledger, which grows by as many when it is full. */
const FIRST_ENTRIES = 128;

const EPOCH_AT = 16;
const EPOCH_BYTES = 16;
export const KEY_BYTES = 32;

/** Words of the file are doubles, because launch ids and offsets have 53 bits. The note follows the header. */
const NOTE = { kind: 8, place: 9, stream: 10, base: 11, count: 12 } as const;
const ENTRIES_AT = 16;
const ENTRY_WORDS = 16;
/** `process` is the launch id + 1, 0 for a free entry, PENDING before the launch. */
const ENTRY = {
  process: 0,
  acked: 1,
  stdin: 3,
  stdinEnded: 4,
  mode: 5,
  capacity: 6,
  key: 8,
  base: 12,
  end: 14,
} as const;
const PENDING = -1;
const bytesOf = (entries: number) => (ENTRIES_AT + entries * ENTRY_WORDS) * 8;

/** How output is kept: in pipes, or in files that drop the oldest bytes; a spool also has times. */
const OUTPUT_MODES = ["hold", "ring", "spool"] as const;
/**
 * Logs of containers: `log`, at first `new`, while it is held for a host that is about to attach or read; `given`: calls have
 * taken it over; `remains`: its container was removed.
 */
const KEEPERS = ["client", "log", "given", "remains", "new"] as const;

export interface OutputMode {
  readonly kind: (typeof OUTPUT_MODES)[number];
  /** True if nothing is dropped that the client hasn't acknowledged: the process waits. Always true for `hold`. */
  readonly isHeld: boolean;
  readonly keeper: (typeof KEEPERS)[number];
}

/** Bytes about to be moved through the mover: which stream's position they change, and from where. */
export interface MoveNote {
  readonly kind: "discard" | "fill" | "feed" | "take" | "store";
  readonly place: number;
  /** 0 or 1: an output. For `fill` and `feed` it is the input, and 0. */
  readonly stream: 0 | 1;
  readonly base: number;
  readonly count: number;
}

const NOTE_KINDS = [undefined, "discard", "fill", "feed", "take", "store"] as const;

/**
 * Positions in the stdio of attached processes, in memory that outlives the agent. Offsets count bytes from the first one
 * that a client could have.
 */
export class StreamLedger {
  #words: Float64Array;
  #bytes: Uint8Array;
  readonly #grow: ((bytes: number) => ArrayBuffer) | undefined;

  /** `grow` returns the same memory with more bytes. */
  constructor(memory: ArrayBuffer, grow?: (bytes: number) => ArrayBuffer) {
    this.#words = new Float64Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.#grow = grow;
  }

  /** Random for each boot of the guest, start of a service, or clone. */
  get epoch(): Uint8Array {
    return this.#bytes.slice(EPOCH_AT, EPOCH_AT + EPOCH_BYTES);
  }

  /** Replaces the epoch: clients that connect from now on get the new one. */
  renewEpoch(): void {
    this.#bytes.set(randomBytes(EPOCH_BYTES), EPOCH_AT);
  }

  /** Places in use. */
  get places(): number[] {
    return Array.from({ length: this.#entries }, (_, place) => place).filter(
      (place) => this.#get(place, ENTRY.process) !== 0,
    );
  }

  /** Takes a place for a process that is about to be launched; undefined if all are in use, or /run is full. */
  take(key: Uint8Array): number | undefined {
    for (let place = 0; place < this.#entries || this.#growBy(FIRST_ENTRIES); place++) {
      if (this.#get(place, ENTRY.process) !== 0) continue;
      const at = this.#at(place);
      this.#words.fill(0, at, at + ENTRY_WORDS);
      this.#bytes.set(key.subarray(0, KEY_BYTES), (at + ENTRY.key) * 8);
      this.#set(place, ENTRY.process, PENDING);
      return place;
    }
    return undefined;
  }

  free(place: number): void {
    this.#set(place, ENTRY.process, 0);
  }

  /** Launch id of the entry's process; undefined before the launch. */
  process(place: number): number | undefined {
    const process = this.#get(place, ENTRY.process);
    return process > 0 ? process - 1 : undefined;
  }

  setProcess(place: number, process: number): void {
    this.#set(place, ENTRY.process, process + 1);
  }

  /** Hash of everything that the process was started with; zeros for a process started otherwise. */
  key(place: number): Uint8Array {
    const at = (this.#at(place) + ENTRY.key) * 8;
    return this.#bytes.slice(at, at + KEY_BYTES);
  }

  mode(place: number): OutputMode {
    const value = this.#get(place, ENTRY.mode);
    const kind = OUTPUT_MODES[value & 3] ?? "hold";
    return { kind, isHeld: kind === "hold" || (value & 4) !== 0, keeper: KEEPERS[value >> 3] ?? "client" };
  }

  setMode(place: number, { kind, isHeld, keeper }: OutputMode): void {
    this.#set(place, ENTRY.mode, OUTPUT_MODES.indexOf(kind) + (isHeld ? 4 : 0) + 8 * KEEPERS.indexOf(keeper));
  }

  /** Size of an output's file; 0 if it has none. */
  capacity(place: number, stream: 0 | 1): number {
    return this.#get(place, ENTRY.capacity + stream);
  }

  setCapacity(place: number, stream: 0 | 1, bytes: number): void {
    this.#set(place, ENTRY.capacity + stream, bytes);
  }

  /** Offset of the first byte of an output that is kept. */
  base(place: number, stream: 0 | 1): number {
    return this.#get(place, ENTRY.base + stream);
  }

  setBase(place: number, stream: 0 | 1, offset: number): void {
    this.#set(place, ENTRY.base + stream, offset);
  }

  /** Offset after the last byte of an output that is in its file. */
  end(place: number, stream: 0 | 1): number {
    return this.#get(place, ENTRY.end + stream);
  }

  setEnd(place: number, stream: 0 | 1, offset: number): void {
    this.#set(place, ENTRY.end + stream, offset);
  }

  /** Bytes of an output that the client has acknowledged. */
  acked(place: number, stream: 0 | 1): number {
    return this.#get(place, ENTRY.acked + stream);
  }

  setAcked(place: number, stream: 0 | 1, offset: number): void {
    this.#set(place, ENTRY.acked + stream, offset);
  }

  /** Bytes of input that were written to the process. */
  stdin(place: number): number {
    return this.#get(place, ENTRY.stdin);
  }

  setStdin(place: number, offset: number): void {
    this.#set(place, ENTRY.stdin, offset);
  }

  stdinEnded(place: number): boolean {
    return this.#get(place, ENTRY.stdinEnded) !== 0;
  }

  endStdin(place: number): void {
    this.#set(place, ENTRY.stdinEnded, 1);
  }

  /** The move that the previous agent had begun; undefined if none. */
  get note(): MoveNote | undefined {
    const word = (index: number) => this.#words[index] ?? 0;
    const kind = NOTE_KINDS[word(NOTE.kind)];
    const place = word(NOTE.place);
    if (kind === undefined || !(place >= 0 && place < this.#entries)) return undefined;
    return { kind, place, stream: word(NOTE.stream) === 0 ? 0 : 1, base: word(NOTE.base), count: word(NOTE.count) };
  }

  /** Notes a move before it begins. The kind is written last and alone decides whether the note counts. */
  begin({ kind, place, stream, base, count }: MoveNote): void {
    this.#words[NOTE.place] = place;
    this.#words[NOTE.stream] = stream;
    this.#words[NOTE.base] = base;
    this.#words[NOTE.count] = count;
    this.#words[NOTE.kind] = NOTE_KINDS.indexOf(kind);
  }

  /** Ends the move; its position must be set. */
  endMove(): void {
    this.#words[NOTE.kind] = 0;
  }

  get #entries(): number {
    return Math.floor((this.#words.length - ENTRIES_AT) / ENTRY_WORDS);
  }

  #growBy(entries: number): boolean {
    if (this.#grow === undefined || this.#entries >= MAX_LEDGER_ENTRIES) return false;
    try {
      const memory = this.#grow(bytesOf(this.#entries + entries));
      this.#words = new Float64Array(memory);
      this.#bytes = new Uint8Array(memory);
      return true;
    } catch {
      return false;
    }
  }

  #at(place: number): number {
    return ENTRIES_AT + place * ENTRY_WORDS;
  }

  #get(place: number, word: number): number {
    return this.#words[this.#at(place) + word] ?? 0;
  }

  #set(place: number, word: number, value: number): void {
    this.#words[this.#at(place) + word] = value;
  }
}

/** Opens the ledger at `path` with the previous agent's positions, or creates one with a new epoch. */
export function openStreamLedger(path: string, mapShared: (fd: Fd, length: number) => ArrayBuffer): StreamLedger {
  const withFile = <T>(work: (fd: Fd) => T): T => {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      return work(fd);
    } finally {
      closeSync(fd); // the mapping stays
    }
  };
  const grow = (bytes: number) =>
    withFile((fd) => {
      const { size } = fstatSync(fd);
      write(fd, new Uint8Array(bytes - size), size);
      return mapShared(fd, bytes);
    });
  return withFile((fd) => {
    const layout = Buffer.alloc(4);
    if (readSync(fd, layout, 0, 4, 0) < 4 || layout.readInt32LE() !== LAYOUT) start(fd);
    const most = bytesOf(MAX_LEDGER_ENTRIES);
    return new StreamLedger(mapShared(fd, Math.min(fstatSync(fd).size, most)), grow);
  });
}

/** Returns memory for a ledger in tests. */
export function createLedgerMemory(): ArrayBuffer {
  const memory = new ArrayBuffer(bytesOf(FIRST_ENTRIES));
  new Uint8Array(memory).set(randomBytes(EPOCH_BYTES), EPOCH_AT);
  return memory;
}

/** Writes all of the file. The layout is written last. */
function start(fd: Fd): void {
  write(fd, new Uint8Array(createLedgerMemory()), 0);
  writeSync(fd, Int32Array.of(LAYOUT), 0, 4, 0);
}

/** Writes all bytes, or throws: touching a page that isn't allocated raises SIGBUS if /run is full. */
function write(fd: Fd, bytes: Uint8Array, at: number): void {
  const written = writeSync(fd, bytes, 0, bytes.length, at);
  if (written < bytes.length) throw new Error(`write the ledger: ${written} of ${bytes.length} bytes written`);
}
