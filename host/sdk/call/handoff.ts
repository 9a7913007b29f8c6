/** Passes items to a loop, one at a time: the next one is put once the loop is done with the last. */
export class Handoff<T> {
  readonly #items: { readonly item: T; readonly taken: () => void }[] = [];
  #end: { readonly error?: unknown } | undefined;
  #changed = Promise.withResolvers<void>();

  /** Resolves once the loop is done with the item, or is left. */
  put(item: T): Promise<void> {
    if (this.#end !== undefined) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#items.push({ item, taken: resolve });
    this.#notify();
    return promise;
  }

  /** Ends the loop after what was put; with an error it throws that. */
  end(end: { readonly error?: unknown } = {}): void {
    this.#end ??= end;
    this.#notify();
  }

  async *items(): AsyncGenerator<T, void> {
    try {
      for (;;) {
        const next = this.#items.shift();
        if (next !== undefined) {
          yield next.item;
          next.taken();
        } else if (this.#end === undefined) await this.#changed.promise;
        else if ("error" in this.#end) throw this.#end.error;
        else return;
      }
    } finally {
      this.end();
      for (const { taken } of this.#items.splice(0)) taken();
    }
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
