/** Which channel of this server owns each terminal; one at a time, so that a second tab sees it at once and waits for its turn. */
export class Owners {
  readonly #owners = new Map<string, object>();
  readonly #waiting = new Map<string, Set<() => void>>();

  /** True if no other channel owns the terminal; `owner` does from then on. */
  claim(terminal: string, owner: object): boolean {
    const current = this.#owners.get(terminal);
    if (current !== undefined && current !== owner) return false;
    this.#owners.set(terminal, owner);
    return true;
  }

  /** Makes `owner` the owner, whoever was. */
  takeOver(terminal: string, owner: object): void {
    this.#owners.set(terminal, owner);
  }

  /** Idempotent. Calls one of those that wait. */
  release(terminal: string, owner: object): void {
    if (this.#owners.get(terminal) !== owner) return;
    this.#owners.delete(terminal);
    const [next] = this.#waiting.get(terminal) ?? [];
    next?.();
  }

  /** Calls back when the terminal is free, until the returned function is called. */
  onFree(terminal: string, callback: () => void): () => void {
    const waiting = this.#waiting.get(terminal) ?? new Set();
    this.#waiting.set(terminal, waiting.add(callback));
    return () => {
      waiting.delete(callback);
      if (waiting.size === 0) this.#waiting.delete(terminal);
    };
  }
}
