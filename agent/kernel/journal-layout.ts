/** Connections that can outlive the agent. Those beyond end with it. */
export const MAX_KEPT_CONNECTIONS = 512;
/** Calls of all kept connections at once. A connection with more ends with the agent. */
export const MAX_KEPT_CALLS = 4096;
/** Places of calls that are there from the start; more are made, so many at a time. */
export const CALLS_AT_START = 512;
/** Of one read from a connection. */
export const READ_BYTES = 65_536;

/** What is under way; words. Connections stand here as their index + 1, so that 0 is none. */
export const NOW = {
  readConnection: 0,
  readCount: 1,
  writeConnection: 2,
  writeTotal: 3,
  writeCount: 4,
  /** Number of the last call. */
  order: 5,
  /** No place from here on was ever used: memory that nobody touched is not there yet. */
  top: 6,
  /** 1: every answer of the write is kept, and may be written again. */
  writeAgain: 7,
  /** Place of the call whose handler has not come to its first wait, + 1; 0: none. */
  begun: 8,
} as const;
const NOW_WORDS = 16;

/** Words of a connection. `number` 0: none here. `peerCid` + 1, 0: no vsock. */
export const CONNECTION = { number: 0, peerCid: 1, halfRead: 2, halfWritten: 3, unknownCalls: 4 } as const;
const CONNECTION_WORDS = 8;

/** Words of a call. `deaths`: agents that ended while they began it. The deadline is a double, milliseconds since the epoch or 0. Then comes the body. */
export const CALL = { state: 0, connection: 1, streamId: 2, order: 3, length: 4, deaths: 5, deadline: 6 } as const;
const CALL_WORDS = 128;
const BODY_AT = 8;
/** Longest request, or answer, that a call's place holds. */
export const MAX_KEPT_BODY = (CALL_WORDS - BODY_AT) * 4;

/**
 * A write of so much is made whole or not at all, even as its writer is killed: one buffer of the kernel. (On vsock, unless
 * the host has just stopped reading with less room left than that.)
 */
export const MAX_ATOMIC_WRITE = 4096;

/** States of a call. */
export const FREE = 0;
/** The body is that of the request's frame, or empty when it was too long. */
export const OPEN = 1;
/** The body is a whole response frame that waits to be written, or was about to be; empty: it was about to be kept. */
export const ANSWERED = 2;
/** Beside the others: its answer is in the write that is under way. */
export const WRITING = 16;

/** As a count: the system call has not returned. */
export const UNDER_WAY = -1_000_000;
/** What is in memory to be read into: no frame begins with it, and no UTF-8 has it. */
export const NOTHING = 0xff;

const CONNECTIONS_AT = NOW_WORDS;
const CALLS_AT = CONNECTIONS_AT + MAX_KEPT_CONNECTIONS * CONNECTION_WORDS;
const READ_AT = (CALLS_AT + MAX_KEPT_CALLS * CALL_WORDS) * 4;
export const CALL_JOURNAL_BYTES = READ_AT + READ_BYTES;

/** Bytes from the start to those that are made when they are needed, and where these end. */
export const CALLS_START_BYTES = (CALLS_AT + CALLS_AT_START * CALL_WORDS) * 4;
export const CALLS_END = READ_AT;
const CALL_BYTES = CALL_WORDS * 4;

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
  readonly readBuffer: Buffer;
  readonly #at: number;
  readonly #fill: Fill;
  /** Places from here on are not there yet. */
  #there: number;

  constructor(memory: ArrayBuffer, at: number, fill: Fill) {
    this.#at = at;
    this.#fill = fill;
    this.#words = new Int32Array(memory, at, READ_AT / 4);
    this.#doubles = new Float64Array(memory, at, READ_AT / 8);
    this.#bytes = Buffer.from(memory, at, READ_AT);
    this.readBuffer = Buffer.from(memory, at + READ_AT, READ_BYTES);
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

  /** A copy. */
  body(place: number): Buffer {
    const at = (CALLS_AT + place * CALL_WORDS + BODY_AT) * 4;
    const length = Math.min(Math.max(this.call(place, CALL.length), 0), MAX_KEPT_BODY);
    return Buffer.from(this.#bytes.subarray(at, at + length));
  }

  /** One that is too long is left out. */
  setBody(place: number, body: Uint8Array): void {
    const fits = body.length <= MAX_KEPT_BODY;
    if (fits) this.#bytes.set(body, (CALLS_AT + place * CALL_WORDS + BODY_AT) * 4);
    this.setCall(place, CALL.length, fits ? body.length : 0);
  }
}
