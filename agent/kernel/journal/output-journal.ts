import { type Fill, NOTHING, UNDER_WAY } from "./journal-layout.ts";

/** Most pieces of output on their way to hosts that are kept; any others are lost if the agent dies. */
const MAX_KEPT_OUTPUTS = 64;
/** Longest piece. */
const OUTPUT_BYTES = 65_536;

/**
 * Words of a block: doubles, because launch ids have 53 bits. `process` and `call` are stored + 1, so that 0 means none.
 * `waiting` is the number of bytes that the current read takes unless it fails; 0 if unknown.
 */
const BLOCK = { process: 0, stream: 1, offset: 2, count: 3, call: 4, waiting: 5 } as const;
const BLOCK_WORDS = 8;
/** Word before the blocks: number of pieces that found no block. */
const UNKEPT = 0;
const BLOCKS_AT = 8;
const MEMORY_AT = (BLOCKS_AT + MAX_KEPT_OUTPUTS * BLOCK_WORDS) * 8;
/** Blocks allocated at the start; others are allocated when needed. */
const BLOCKS_AT_START = 8;
export const OUTPUTS_START_BYTES = MEMORY_AT + BLOCKS_AT_START * OUTPUT_BYTES;
export const OUTPUT_JOURNAL_BYTES = MEMORY_AT + MAX_KEPT_OUTPUTS * OUTPUT_BYTES;

/** Identifies an output: the launch id of its process, and 0 for stdout (or the terminal) or 1 for stderr. */
export interface OutputKey {
  readonly process: number;
  readonly stream: 0 | 1;
}

/** A piece of output. `block` is the block that keeps it; undefined if it is lost when the agent dies. */
export interface Piece {
  readonly data: Buffer;
  /** Position in the stream, in bytes. */
  readonly offset: number;
  readonly block: number | undefined;
}

/**
 * Output between its pipe and the host. It is read into memory that outlives the agent and stays there until its answer is
 * written, so the next agent has everything this one took from the pipe.
 */
export class OutputJournal {
  /** Number of the previous agent's pieces that had no block and are lost. */
  readonly lost: number;
  readonly #words: Float64Array;
  readonly #memory: Buffer;
  /** Allocates a block and fills it with NOTHING; returns false if there is no room. */
  readonly #clear: (block: number) => boolean;
  readonly #free: number[] = [];
  /** Blocks filled with NOTHING. */
  readonly #clean = new Set<number>();

  /** `isOpen` returns true for the place of a call whose answer is still to be written. */
  constructor(memory: ArrayBuffer, at: number, fill: Fill, isOpen: (place: number) => boolean) {
    this.#clear = (block) => fill(at + MEMORY_AT + block * OUTPUT_BYTES, OUTPUT_BYTES, NOTHING);
    this.#words = new Float64Array(memory, at, MEMORY_AT / 8);
    this.#memory = Buffer.from(memory, at + MEMORY_AT, MAX_KEPT_OUTPUTS * OUTPUT_BYTES);
    this.lost = this.#words[UNKEPT] ?? 0;
    this.#words[UNKEPT] = 0;
    for (let block = MAX_KEPT_OUTPUTS - 1; block >= 0; block--) {
      if (this.#get(block, BLOCK.process) === 0) this.#free.push(block);
      else this.#settle(block, isOpen);
    }
  }

  /** Returns the previous agent's undelivered pieces of an output, in order. */
  found({ process, stream }: OutputKey): Piece[] {
    const pieces: Piece[] = [];
    for (let block = 0; block < MAX_KEPT_OUTPUTS; block++) {
      if (this.#get(block, BLOCK.process) !== process + 1 || this.#get(block, BLOCK.stream) !== stream) continue;
      const data = this.#bytes(block).subarray(0, this.#get(block, BLOCK.count));
      pieces.push({ data, offset: this.#get(block, BLOCK.offset), block });
    }
    return pieces.sort((a, b) => a.offset - b.offset).filter((piece, index) => this.#isNew(piece, pieces[index - 1]));
  }

  /** Releases the pieces of processes that no longer exist. */
  keepOnly(exists: (process: number) => boolean): void {
    for (let block = 0; block < MAX_KEPT_OUTPUTS; block++) {
      const process = this.#get(block, BLOCK.process) - 1;
      if (process >= 0 && !exists(process)) this.release(block);
    }
  }

  /**
   * Reads a piece of at most `most` bytes. Returns the result of `read` if it is 0 or negative. `waiting` is the number of bytes
   * available, 0 if unknown; no more are then read, so the read takes all of them or none.
   */
  read(key: OutputKey, offset: number, most: number, read: (into: Uint8Array) => number, waiting = 0): Piece | number {
    const length = Math.min(most, waiting > 0 ? waiting : most, OUTPUT_BYTES);
    const block = this.#take(key, offset, waiting > 0 ? length : 0);
    if (block === undefined) {
      const into = Buffer.allocUnsafeSlow(length);
      const count = read(into);
      if (count > 0) this.#words[UNKEPT] = (this.#words[UNKEPT] ?? 0) + 1;
      return count > 0 ? { data: into.subarray(0, count), offset, block } : count;
    }
    const bytes = this.#bytes(block);
    const count = read(bytes.subarray(0, length));
    this.#set(block, BLOCK.count, count);
    if (count > 0) return { data: bytes.subarray(0, count), offset, block };
    this.release(block);
    return count;
  }

  /** Splits a piece in two after `length` bytes. */
  split({ data, offset, block }: Piece, length: number, key: OutputKey): readonly [Piece, Piece] {
    const rest = this.read(key, offset + length, data.length - length, (into) => data.copy(into, 0, length));
    if (block !== undefined) {
      this.#set(block, BLOCK.count, length);
      this.#clean.delete(block); // its end still has the rest
    }
    const second =
      typeof rest === "number" ? { data: Buffer.alloc(0), offset: offset + length, block: undefined } : rest;
    return [{ data: data.subarray(0, length), offset, block }, second];
  }

  /** Links a piece to the call whose answer contains it; undefined unlinks it. */
  link(block: number, place: number | undefined): void {
    this.#set(block, BLOCK.call, (place ?? -1) + 1);
  }

  /** Releases a piece that was delivered or can no longer be read. Undefined: one without a block. */
  release(block: number | undefined): void {
    if (block === undefined) {
      this.#words[UNKEPT] = (this.#words[UNKEPT] ?? 1) - 1;
      return;
    }
    const count = this.#get(block, BLOCK.count);
    this.#set(block, BLOCK.process, 0);
    if (count !== UNDER_WAY && count >= 0 && this.#clean.has(block)) this.#bytes(block).fill(NOTHING, 0, count);
    else this.#clean.delete(block);
    this.#free.push(block);
  }

  #take({ process, stream }: OutputKey, offset: number, waiting: number): number | undefined {
    const block = this.#free.pop();
    if (block === undefined) return undefined;
    if (!this.#clean.has(block) && !this.#clear(block)) {
      this.#free.push(block);
      return undefined;
    }
    this.#clean.add(block);
    this.#set(block, BLOCK.stream, stream);
    this.#set(block, BLOCK.offset, offset);
    this.#set(block, BLOCK.call, 0);
    this.#set(block, BLOCK.waiting, waiting);
    this.#set(block, BLOCK.count, UNDER_WAY);
    this.#set(block, BLOCK.process, process + 1);
    return block;
  }

  /** Settles a block of the previous agent: works out its length, and releases it if the host has it. */
  #settle(block: number, isOpen: (place: number) => boolean): void {
    const count = this.#get(block, BLOCK.count);
    const length = count === UNDER_WAY ? this.#seen(block) : count;
    const place = this.#get(block, BLOCK.call) - 1;
    this.#set(block, BLOCK.count, length);
    this.#set(block, BLOCK.call, 0);
    if (length <= 0 || (place >= 0 && !isOpen(place))) this.release(block);
  }

  /** Returns the length of a read that the agent didn't record before it died. */
  #seen(block: number): number {
    const { length } = withoutTail(this.#bytes(block));
    return length === 0 ? 0 : Math.max(length, Math.min(this.#get(block, BLOCK.waiting), OUTPUT_BYTES));
  }

  /** Returns false for the second of two pieces that an interrupted split left with the same bytes. */
  #isNew(piece: Piece, before: Piece | undefined): boolean {
    const isNew = before === undefined || before.offset + before.data.length <= piece.offset;
    if (!isNew) this.release(piece.block);
    return isNew;
  }

  #bytes(block: number): Buffer {
    return this.#memory.subarray(block * OUTPUT_BYTES, (block + 1) * OUTPUT_BYTES);
  }

  #get(block: number, word: number): number {
    return this.#words[BLOCKS_AT + block * BLOCK_WORDS + word] ?? 0;
  }

  #set(block: number, word: number, value: number): void {
    this.#words[BLOCKS_AT + block * BLOCK_WORDS + word] = value;
  }
}

/** Cuts off the bytes at the end that are still unchanged since before the read. */
function withoutTail(memory: Buffer): Buffer {
  let end = memory.length;
  while (end > 0 && memory[end - 1] === NOTHING) end--;
  return memory.subarray(0, end);
}
