import type { OutputJournal, OutputKey, Piece } from "../../kernel/journal/output-journal.ts";
import { waitUntil } from "../../kernel/wait/wait-until.ts";

/** Where a stream keeps output that was read from its descriptor and has not reached the host. */
export interface KeptOutput {
  readonly journal: OutputJournal;
  readonly key: OutputKey;
}

/** The pieces of one output between their reading and the host: given to readers, or returned unsent. */
export class OutputAnswers {
  readonly #kept: KeptOutput | undefined;
  /** Answers that were returned unsent, oldest first. */
  readonly #returned: Piece[];
  /** Answers that readers hold. Offsets restore the order of those that are returned unsent. */
  readonly #given = new Map<Buffer, Piece>();
  /** Answers that readers held when another one came back: they may come back too. */
  readonly #doubtful = new Set<Buffer>();
  #closed = false;
  /** Set while a reader waits for the answers under way. */
  #settled: PromiseWithResolvers<void> | undefined;

  /** Begins with the pieces that a previous agent had read. */
  constructor(kept: KeptOutput | undefined) {
    this.#kept = kept;
    this.#returned = kept?.journal.found(kept.key) ?? [];
  }

  /** Position after the last returned answer; 0 if there is none. */
  get end(): number {
    const last = this.#returned.at(-1);
    return last === undefined ? 0 : last.offset + last.data.length;
  }

  get hasReturned(): boolean {
    return this.#returned.length > 0;
  }

  /** True while readers hold answers, until `close`. */
  get areUnderWay(): boolean {
    return this.#given.size > 0 && !this.#closed;
  }

  /** True if an answer may come back that belongs before the next bytes: those of a lost connection come back one by one. */
  get isNextDoubtful(): boolean {
    if (this.#doubtful.size === 0 || this.#closed) return false;
    const { offset: next = Number.POSITIVE_INFINITY } = this.#returned[0] ?? {};
    return Array.from(this.#doubtful).some((data) => (this.#given.get(data)?.offset ?? next) < next);
  }

  /**
   * Resolves once no answer is under way; rejects if the caller's signal aborts. It waits for all of them, because those of a lost
   * connection come back one by one, in any order.
   */
  async settled(signal: AbortSignal): Promise<void> {
    this.#settled ??= Promise.withResolvers();
    await waitUntil(this.#settled.promise, signal);
  }

  /** Gives a reader a piece; its bytes name the answer from now on. */
  give(piece: Piece): Buffer {
    this.#given.set(piece.data, piece);
    return piece.data;
  }

  /** Gives a reader at most `length` bytes of the oldest returned answer. */
  next(length: number): Buffer | undefined {
    const first = this.#returned.shift();
    return first && this.give(this.#cut(first, length));
  }

  /** Puts back an answer that did not reach the host, before everything that was read later. */
  unread(data: Buffer): void {
    const piece = this.#takeBack(data);
    if (piece !== undefined) {
      this.putBack(piece);
      for (const each of this.#given.keys()) this.#doubtful.add(each);
    }
    this.#wake();
  }

  /** Puts a piece back before everything that was read later. */
  putBack(piece: Piece): void {
    if (this.#closed) {
      this.#release(piece);
      return;
    }
    if (piece.block !== undefined) this.#kept?.journal.link(piece.block, undefined);
    const at = this.#returned.findIndex(({ offset }) => offset > piece.offset);
    this.#returned.splice(at < 0 ? this.#returned.length : at, 0, piece);
  }

  /** Records which call's answer holds `data`: see Call.place. */
  link(data: Buffer, place: number | undefined): void {
    const block = this.#given.get(data)?.block;
    if (block !== undefined) this.#kept?.journal.link(block, place);
  }

  /** Releases an answer that was sent. */
  delivered(data: Buffer): void {
    const piece = this.#takeBack(data);
    if (piece !== undefined) this.#release(piece);
    this.#wake();
  }

  /** Releases what was returned, and from now on what readers return. */
  close(): void {
    this.#closed = true;
    for (const piece of this.#returned.splice(0)) this.#release(piece);
    this.#wake();
  }

  /** Returns the first `length` bytes of a piece and puts back the rest. */
  #cut(piece: Piece, length: number): Piece {
    const { data, offset, block } = piece;
    if (data.length <= length) return piece;
    const [first, rest] = this.#kept?.journal.split(piece, length, this.#kept.key) ?? [
      { data: data.subarray(0, length), offset, block },
      { data: data.subarray(length), offset: offset + length, block },
    ];
    this.#returned.unshift(rest);
    return first;
  }

  /** Returns undefined for an answer that was returned or delivered before. */
  #takeBack(data: Buffer): Piece | undefined {
    const piece = this.#given.get(data);
    this.#given.delete(data);
    this.#doubtful.delete(data);
    return piece;
  }

  #wake(): void {
    if (this.areUnderWay) return;
    this.#settled?.resolve();
    this.#settled = undefined;
  }

  #release({ block }: Piece): void {
    this.#kept?.journal.release(block);
  }
}
