/** Runs async functions one after another, in call order; a function that throws doesn't block the next. */
export class Lock {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** One lock per name, kept while the name has a holder or a waiter. */
export class LockByName {
  readonly #locks = new Map<string, { readonly lock: Lock; holders: number }>();

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const entry = this.#locks.get(name) ?? { lock: new Lock(), holders: 0 };
    this.#locks.set(name, entry);
    entry.holders += 1;
    try {
      return await entry.lock.run(work);
    } finally {
      entry.holders -= 1;
      if (entry.holders === 0) this.#locks.delete(name);
    }
  }
}
