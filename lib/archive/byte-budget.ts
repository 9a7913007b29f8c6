/** Counts the bytes that several users of memory hold together, and refuses more than a limit. */
export class ByteBudget {
  #left: number;

  constructor(bytes = Number.POSITIVE_INFINITY) {
    this.#left = bytes;
  }

  /** Returns false, and takes nothing, if so many bytes are not left. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}
