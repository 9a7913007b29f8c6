/** Bytes that arrive in pieces of any size, in one buffer of at most twice their length. */
export class CollectedBytes {
  #bytes = new ArrayBuffer(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(piece: Uint8Array): void {
    const length = this.#length + piece.length;
    if (length > this.#bytes.byteLength) this.#bytes = this.#bytes.transfer(Math.max(length, 2 * this.#length));
    new Uint8Array(this.#bytes, this.#length).set(piece);
    this.#length = length;
  }

  /** Returns a copy. */
  copy(): Buffer {
    return Buffer.from(this.#bytes.slice(0, this.#length));
  }

  /** Returns everything, and begins anew. */
  take(): Buffer {
    const bytes = Buffer.from(this.#bytes, 0, this.#length);
    [this.#bytes, this.#length] = [new ArrayBuffer(0), 0];
    return bytes;
  }
}
