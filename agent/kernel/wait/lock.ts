/** Runs async functions one after the other, in the order of the calls; one that throws holds up nobody. */
export class Lock {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** A lock for each name that somebody holds or waits for. */
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
