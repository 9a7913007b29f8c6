import {
  BODY_AT,
  CALL,
  CALL_BYTES,
  CALL_WORDS,
  CALLS_AT,
  CALLS_AT_START,
  CHUNK_BYTES,
  CHUNKS,
  CHUNKS_AT,
  CHUNKS_AT_ONCE,
  CONNECTION_WORDS,
  CONNECTIONS_AT,
  COUNT,
  type Fill,
  HEADER_BYTES,
  MAX_KEPT_CALLS,
  NEXT_AT,
  NOT_YET,
  NOW,
  READ_AT,
  READ_BYTES,
  SMALL_BODY,
  WRITE_AT,
  WRITE_BYTES,
} from "./journal-layout.ts";

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

  /** Returns the memory of one word. */
  callWord(place: number, word: number): Int32Array {
    const at = CALLS_AT + place * CALL_WORDS + word;
    return this.#words.subarray(at, at + 1);
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
