/** Time after an attachment in which output counts as past, if the server doesn't say where the past ends. */
const PAST_MS = 300;

/** Tells output that is new from output that was printed before this page attached. */
export class PastOutput {
  /** Offset up to which xterm has parsed. */
  #parsed = 0;
  #until = 0;
  #untilTime = 0;

  /** Begins with an attachment: what is before `until` was printed earlier. */
  begin(until: number | undefined): void {
    this.#until = until ?? 0;
    this.#untilTime = until === undefined ? performance.now() + PAST_MS : 0;
  }

  /** Notes how far xterm has parsed. */
  parsed(offset: number): void {
    this.#parsed = offset;
  }

  /** True while xterm parses output that isn't new. */
  get isPast(): boolean {
    return this.#parsed < this.#until || performance.now() < this.#untilTime;
  }

  /** Returns the bytes from `offset` on in parts that are either past or new. */
  split(offset: number, bytes: Uint8Array): readonly Uint8Array[] {
    const past = this.#until - offset;
    return past > 0 && past < bytes.length ? [bytes.subarray(0, past), bytes.subarray(past)] : [bytes];
  }
}
