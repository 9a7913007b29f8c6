/** Passes on a source, and keeps the error that it throws, which readers of the archive report as a damaged archive. */
export class WatchedSource implements AsyncIterable<Uint8Array> {
  /** Undefined unless the source itself has failed. */
  error: unknown;
  readonly #source: AsyncIterable<Uint8Array>;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#source;
    } catch (error) {
      this.error = error;
      throw error;
    }
  }
}
