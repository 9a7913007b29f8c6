/** Passes chunks from a sender to one reader; the sender waits until its chunk is taken. */
export class ChunkChannel implements AsyncIterable<Uint8Array> {
  #waiting: { readonly chunk: Uint8Array; readonly taken: () => void } | undefined;
  #ended = false;
  #error: Error | undefined;
  #wake: () => void = () => undefined;

  /** Resolves once the reader has taken the chunk, or the channel has failed. */
  push(chunk: Uint8Array): Promise<void> {
    if (this.#error !== undefined) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { chunk, taken: resolve };
    this.#wake();
    return promise;
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Makes the reader throw. Idempotent. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#waiting?.taken();
    this.#waiting = undefined;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting !== undefined) {
        waiting.taken();
        yield waiting.chunk;
      } else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
