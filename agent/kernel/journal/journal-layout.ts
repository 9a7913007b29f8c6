/** Most connections that can outlive the agent. Any others end with it. */
export const MAX_KEPT_CONNECTIONS = 512;
/** Most open calls of all kept connections. A connection whose calls exceed them ends with the agent. */
export const MAX_KEPT_CALLS = 4096;
/** Places of calls allocated at the start, and at each growth. */
export const CALLS_AT_START = 512;
/** Most bytes of one read from a connection. */
const READ_BYTES = 65_536;

/** Most bytes of one write to a connection. */
export const WRITE_BYTES = 128 * 1024;
/** Chunks of memory for requests and answers too long for a call's place, and for partly received requests. */
export const CHUNKS = 1024;
export const CHUNK_BYTES = 8192;
/** Chunks allocated at each growth. */
const CHUNKS_AT_ONCE = 16;

/** Words of the work in progress. Connections are stored as index + 1, so that 0 means none. */
export const NOW = {
  readConnection: 0,
  /** Number of the last read, never 0. */
  readNumber: 1,
  writeConnection: 2,
  writeTotal: 3,
  /** Number of the last call. */
  order: 5,
  /** Number of places ever used: the memory beyond them may not be allocated yet. */
  top: 6,
  /** Place + 1 of the call whose handler is running up to its first await; 0: none. */
  begun: 8,
  /** Time of that start in milliseconds, modulo MAX_MS. */
  begunAt: 9,
} as const;
export const MAX_MS = 2 ** 31 - 1;
const NOW_WORDS = 16;
/**
 * Size of the `struct mmsghdr` before the bytes received or sent. The kernel itself writes their count into it before the
 * system call returns.
 */
export const HEADER_BYTES = 64;
const COUNT = 14;

/**
 * Words of a connection. `number` is 0 if the place is free. `peerCid` is the CID + 1, 0 without vsock. `begunPlace` is the
 * place + 1 of the answer of which `begun` bytes are written, 0 for none. `merged` is twice the number of the last read that is
 * part of the partly received request, plus the index of the (`head`, `length`) pair in use; a `length` of -1 means that it
 * found no room.
 */
export const CONNECTION = {
  number: 0,
  peerCid: 1,
  begun: 2,
  begunPlace: 3,
  unknownCalls: 4,
  merged: 5,
  head: 6,
  length: 8,
} as const;
const CONNECTION_WORDS = 12;

/**
 * Words of a call; a small body follows them. `deaths` counts the agents that died while they started it. `deadline` is a double,
 * milliseconds since the epoch or 0. `progress` is that of Call.note. `chain` is the first chunk of the body + 1, 0 if the body
 * is in the place itself. `at` and `size` locate its answer in the current write.
 */
export const CALL = {
  state: 0,
  connection: 1,
  streamId: 2,
  order: 3,
  length: 4,
  deaths: 5,
  deadline: 6,
  progress: 8,
  chain: 9,
  at: 10,
  size: 11,
} as const;
const CALL_WORDS = 132;
const BODY_AT = 12;
/** Longest request or answer that fits into a call's place. */
export const SMALL_BODY = (CALL_WORDS - BODY_AT) * 4;

/** State of an unused place. */
export const FREE = 0;
/** State of a call without an answer: the body is that of the request's frame, or empty if it found no room. */
export const OPEN = 1;
/** State of an answered call: the body is its whole response frame, empty while that is being stored. */
export const ANSWERED = 2;
/** Flag added to a state while the answer is part of the current write. */
export const WRITING = 16;

/** Count of an output whose system call hasn't returned. */
export const UNDER_WAY = -1_000_000;
/** Count before the kernel has received or sent anything. */
const NOT_YET = -1;
/** Byte that fills an output block before a read; it never occurs in UTF-8. */
export const NOTHING = 0xff;

const CONNECTIONS_AT = NOW_WORDS;
const NEXT_AT = CONNECTIONS_AT + MAX_KEPT_CONNECTIONS * CONNECTION_WORDS;
const CALLS_AT = NEXT_AT + CHUNKS;
const READ_AT = (CALLS_AT + MAX_KEPT_CALLS * CALL_WORDS) * 4;
const WRITE_AT = READ_AT + HEADER_BYTES + READ_BYTES;
const CHUNKS_AT = WRITE_AT + HEADER_BYTES + WRITE_BYTES;
export const CALL_JOURNAL_BYTES = CHUNKS_AT + CHUNKS * CHUNK_BYTES;

const CALL_BYTES = CALL_WORDS * 4;
/** Ranges [from, to) allocated at the start. The rest is allocated when needed. */
export const CALLS_START: readonly (readonly [number, number])[] = [
  [0, (CALLS_AT + CALLS_AT_START * CALL_WORDS) * 4],
  [READ_AT, CHUNKS_AT],
];

/**
 * Allocates bytes of the journal, filled with a value; returns false if there is no room. Memory that isn't allocated must not
 * be touched: if /run is full, that raises SIGBUS.
 */
export type Fill = (at: number, length: number, value: number) => boolean;

/** Access to the calls' memory. Words outside of it read as 0. */
export class CallMemory {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #bytes: Buffer;
  readonly #chunks: Buffer;
  readonly readBuffer: Buffer;
  readonly writeBuffer: Buffer;
  /** Regions for `sys.receive` and `sys.send`: a header, then the buffer. */
  readonly readRegion: Buffer;
  readonly writeRegion: Buffer;
  readonly #readHeader: Int32Array;
  readonly #writeHeader: Int32Array;
  readonly #at: number;
  readonly #fill: Fill;
  /** Number of allocated places. */
  #places: number;
  /** Number of chunks known to be allocated; the previous agent may have allocated more. */
  #chunkCount = 0;

  constructor(memory: ArrayBuffer, at: number, fill: Fill) {
    this.#at = at;
    this.#fill = fill;
    this.#words = new Int32Array(memory, at, READ_AT / 4);
    this.#doubles = new Float64Array(memory, at, READ_AT / 8);
    this.#bytes = Buffer.from(memory, at, READ_AT);
    this.readRegion = Buffer.from(memory, at + READ_AT, HEADER_BYTES + READ_BYTES);
    this.writeRegion = Buffer.from(memory, at + WRITE_AT, HEADER_BYTES + WRITE_BYTES);
    this.readBuffer = this.readRegion.subarray(HEADER_BYTES);
    this.writeBuffer = this.writeRegion.subarray(HEADER_BYTES);
    this.#readHeader = new Int32Array(memory, at + READ_AT, HEADER_BYTES / 4);
    this.#writeHeader = new Int32Array(memory, at + WRITE_AT, HEADER_BYTES / 4);
    this.#chunks = Buffer.from(memory, at + CHUNKS_AT, CHUNKS * CHUNK_BYTES);
    this.#places = Math.max(Math.ceil(this.top / CALLS_AT_START), 1) * CALLS_AT_START;
  }

  /** Number of places ever used. The previous agent wrote the word, so it may be anything. */
  get top(): number {
    return Math.min(Math.max(this.now(NOW.top), 0), MAX_KEPT_CALLS);
  }

  /** Allocates a call's place if needed; returns false if there is no room. */
  makePlace(place: number): boolean {
    for (; place >= this.#places; this.#places += CALLS_AT_START) {
      const at = this.#at + CALLS_AT * 4 + this.#places * CALL_BYTES;
      if (!this.#fill(at, CALLS_AT_START * CALL_BYTES, 0)) return false;
    }
    return true;
  }

  /** Bytes received by the last read; `sent` is that of the last write. */
  get received(): number {
    return within(this.#readHeader[COUNT] ?? 0, READ_BYTES);
  }

  get sent(): number {
    return within(this.#writeHeader[COUNT] ?? 0, WRITE_BYTES);
  }

  /** Resets the count before a read; `sentNothing` does before a write. */
  receivedNothing(): void {
    this.#readHeader[COUNT] = NOT_YET;
  }

  sentNothing(): void {
    this.#writeHeader[COUNT] = NOT_YET;
  }

  now(word: number): number {
    return this.#words[word] ?? 0;
  }

  setNow(word: number, value: number): void {
    this.#words[word] = value;
  }

  connection(index: number, word: number): number {
    return this.#words[CONNECTIONS_AT + index * CONNECTION_WORDS + word] ?? 0;
  }

  setConnection(index: number, word: number, value: number): void {
    this.#words[CONNECTIONS_AT + index * CONNECTION_WORDS + word] = value;
  }

  clearConnection(index: number): void {
    const at = CONNECTIONS_AT + index * CONNECTION_WORDS;
    this.#words.fill(0, at, at + CONNECTION_WORDS);
  }

  call(place: number, word: number): number {
    return this.#words[CALLS_AT + place * CALL_WORDS + word] ?? 0;
  }

  setCall(place: number, word: number, value: number): void {
    this.#words[CALLS_AT + place * CALL_WORDS + word] = value;
  }

  deadline(place: number): number {
    return this.#doubles[(CALLS_AT + place * CALL_WORDS + CALL.deadline) / 2] ?? 0;
  }

  setDeadline(place: number, value: number): void {
    this.#doubles[(CALLS_AT + place * CALL_WORDS + CALL.deadline) / 2] = value;
  }

  /** Returns the memory for a small body in a call's place. */
  smallBody(place: number, length: number): Buffer {
    const at = (CALLS_AT + place * CALL_WORDS + BODY_AT) * 4;
    return this.#bytes.subarray(at, at + within(length, SMALL_BODY));
  }

  /** Returns the chunk after this one, + 1; 0: none. */
  next(chunk: number): number {
    return within(this.#words[NEXT_AT + chunk] ?? 0, CHUNKS);
  }

  setNext(chunk: number, next: number): void {
    this.#words[NEXT_AT + chunk] = next;
  }

  chunk(chunk: number): Buffer {
    return this.#chunks.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES);
  }

  /** Records that a chunk found in use is allocated, and so are all chunks before it. */
  foundChunk(chunk: number): void {
    const after = (Math.floor(chunk / CHUNKS_AT_ONCE) + 1) * CHUNKS_AT_ONCE;
    this.#chunkCount = Math.max(this.#chunkCount, after);
  }

  /** Allocates a chunk if needed; returns false if there is no room. */
  makeChunk(chunk: number): boolean {
    for (; chunk >= this.#chunkCount; this.#chunkCount += CHUNKS_AT_ONCE) {
      const at = this.#at + CHUNKS_AT + this.#chunkCount * CHUNK_BYTES;
      if (!this.#fill(at, CHUNKS_AT_ONCE * CHUNK_BYTES, 0)) return false;
    }
    return true;
  }
}

/** Clamps a value that the previous agent wrote, which may be anything. */
const within = (value: number, most: number): number => Math.min(Math.max(value, 0), most);
