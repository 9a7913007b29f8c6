/** Connections that can outlive the agent. Those beyond end with it. */
export const MAX_KEPT_CONNECTIONS = 512;
/** Calls of all kept connections at once. A connection with more ends with the agent. */
export const MAX_KEPT_CALLS = 4096;
/** Places of calls that are there from the start; more are made, so many at a time. */
export const CALLS_AT_START = 512;
/** Of one read from a connection. */
const READ_BYTES = 65_536;

/** Most bytes of one write to a connection. */
export const WRITE_BYTES = 128 * 1024;
/** Pieces of memory for requests and answers that don't fit a call's place, and for the beginnings of requests. */
export const CHUNKS = 1024;
export const CHUNK_BYTES = 8192;
/** Chunks are made so many at a time. */
const CHUNKS_AT_ONCE = 16;

/** What is under way; words. Connections stand here as their index + 1, so that 0 is none. */
export const NOW = {
  readConnection: 0,
  /** Number of the last read, never 0. */
  readNumber: 1,
  writeConnection: 2,
  writeTotal: 3,
  /** Number of the last call. */
  order: 5,
  /** No place from here on was ever used: memory that nobody touched is not there yet. */
  top: 6,
  /** Place of the call whose handler has not come to its first wait, + 1; 0: none. */
  begun: 8,
  /** When that was: milliseconds, modulo MAX_MS. */
  begunAt: 9,
} as const;
export const MAX_MS = 2 ** 31 - 1;
const NOW_WORDS = 16;
/**
 * Before what is received and what is sent: `struct mmsghdr`, into which the kernel itself writes how much that is, before the call
 * returns.
 */
export const HEADER_BYTES = 64;
const COUNT = 14;

/**
 * Words of a connection. `number` 0: none here. `peerCid` + 1, 0: no vsock. `begunPlace` + 1: place of the answer of which `begun`
 * bytes are written, 0: none. `merged`: number of the last read that is in the beginning of a request, times 2, plus which of
 * the two pairs of `head` and `length` holds it; a length of -1 is one that found no room.
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
 * Words of a call. `deaths`: of agents that ended while they began it. The deadline is a double, milliseconds since the epoch or
 * 0. `progress`: see Call.note. `chain`: first chunk of its body + 1, 0: the body is here. `at`, `size`: where its answer is in
 * the write under way. Then comes the body.
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
/** Longest request, or answer, that a call's place holds itself. */
export const SMALL_BODY = (CALL_WORDS - BODY_AT) * 4;

/** States of a call. */
export const FREE = 0;
/** The body is that of the request's frame, or empty when there was no room for it. */
export const OPEN = 1;
/** The body is a whole response frame that waits to be written, or was about to be; empty: it was about to be kept. */
export const ANSWERED = 2;
/** Beside the others: its answer is in the write that is under way. */
export const WRITING = 16;

/** As a count of an output: the system call has not returned. */
export const UNDER_WAY = -1_000_000;
/** As a count of the kernel: it has received or sent nothing yet. */
const NOT_YET = -1;
/** What is in memory for output before it is read into: no UTF-8 has it. */
export const NOTHING = 0xff;

const CONNECTIONS_AT = NOW_WORDS;
const NEXT_AT = CONNECTIONS_AT + MAX_KEPT_CONNECTIONS * CONNECTION_WORDS;
const CALLS_AT = NEXT_AT + CHUNKS;
const READ_AT = (CALLS_AT + MAX_KEPT_CALLS * CALL_WORDS) * 4;
const WRITE_AT = READ_AT + HEADER_BYTES + READ_BYTES;
const CHUNKS_AT = WRITE_AT + HEADER_BYTES + WRITE_BYTES;
export const CALL_JOURNAL_BYTES = CHUNKS_AT + CHUNKS * CHUNK_BYTES;

const CALL_BYTES = CALL_WORDS * 4;
/** What is there from the start, as [from, to). The rest is made when it is needed. */
export const CALLS_START: readonly (readonly [number, number])[] = [
  [0, (CALLS_AT + CALLS_AT_START * CALL_WORDS) * 4],
  [READ_AT, CHUNKS_AT],
];

/**
 * Makes bytes of the journal be there, each of this value; false when there is no room for them. What of the mapping is
 * not there must not be touched: with a full /run that is SIGBUS.
 */
export type Fill = (at: number, length: number, value: number) => boolean;

/** The memory of the calls by its places. Words that are not there read as 0. */
export class CallMemory {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #bytes: Buffer;
  readonly #chunks: Buffer;
  readonly readBuffer: Buffer;
  readonly writeBuffer: Buffer;
  /** For `sys.receive` and `sys.send`: a header, then the buffers. */
  readonly readRegion: Buffer;
  readonly writeRegion: Buffer;
  readonly #readHeader: Int32Array;
  readonly #writeHeader: Int32Array;
  readonly #at: number;
  readonly #fill: Fill;
  /** Places from here on are not there yet. */
  #there: number;
  /** Nor are chunks from here on, which an agent before may have made. */
  #chunksThere = 0;

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
    this.#there = Math.max(Math.ceil(this.top / CALLS_AT_START), 1) * CALLS_AT_START;
  }

  /** Number of places that were ever used. The word comes from an agent before and may be anything. */
  get top(): number {
    return Math.min(Math.max(this.now(NOW.top), 0), MAX_KEPT_CALLS);
  }

  /** False when this place of a call is not there, and there is no room for it. */
  makePlace(place: number): boolean {
    for (; place >= this.#there; this.#there += CALLS_AT_START) {
      const at = this.#at + CALLS_AT * 4 + this.#there * CALL_BYTES;
      if (!this.#fill(at, CALLS_AT_START * CALL_BYTES, 0)) return false;
    }
    return true;
  }

  /** Bytes that the last read has brought, and that the last write has sent. */
  get received(): number {
    return within(this.#readHeader[COUNT] ?? 0, READ_BYTES);
  }

  get sent(): number {
    return within(this.#writeHeader[COUNT] ?? 0, WRITE_BYTES);
  }

  /** Before a read, and before a write. */
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

  /** The memory of a place for a small body. */
  smallBody(place: number, length: number): Buffer {
    const at = (CALLS_AT + place * CALL_WORDS + BODY_AT) * 4;
    return this.#bytes.subarray(at, at + within(length, SMALL_BODY));
  }

  /** The chunk after this one, + 1; 0: none. */
  next(chunk: number): number {
    return within(this.#words[NEXT_AT + chunk] ?? 0, CHUNKS);
  }

  setNext(chunk: number, next: number): void {
    this.#words[NEXT_AT + chunk] = next;
  }

  chunk(chunk: number): Buffer {
    return this.#chunks.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES);
  }

  /** This chunk, which holds something, is there, and so are those before it. */
  foundChunk(chunk: number): void {
    const after = (Math.floor(chunk / CHUNKS_AT_ONCE) + 1) * CHUNKS_AT_ONCE;
    this.#chunksThere = Math.max(this.#chunksThere, after);
  }

  /** False when this chunk is not there, and there is no room for it. */
  makeChunk(chunk: number): boolean {
    for (; chunk >= this.#chunksThere; this.#chunksThere += CHUNKS_AT_ONCE) {
      const at = this.#at + CHUNKS_AT + this.#chunksThere * CHUNK_BYTES;
      if (!this.#fill(at, CHUNKS_AT_ONCE * CHUNK_BYTES, 0)) return false;
    }
    return true;
  }
}

/** What an agent before has written may be anything. */
const within = (value: number, most: number): number => Math.min(Math.max(value, 0), most);
