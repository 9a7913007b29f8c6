const HEADER_BYTES = 9;
const DATA = 0;

/** Parses HTTP/2 bytes as they are sent, and counts the content of DATA frames by stream. */
export class SentData {
  readonly #onData: (stream: number, count: number) => void;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  /** Bytes of the frame header seen so far. */
  #begun = 0;
  /** Bytes of the frame's content still to be sent. */
  #left = 0;

  constructor(onData: (stream: number, count: number) => void) {
    this.#onData = onData;
  }

  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at += this.#left > 0 ? this.#content(bytes, at) : this.#head(bytes, at);
  }

  #head(bytes: Uint8Array, at: number): number {
    const piece = bytes.subarray(at, at + HEADER_BYTES - this.#begun);
    this.#header.set(piece, this.#begun);
    this.#begun += piece.length;
    if (this.#begun === HEADER_BYTES) {
      this.#begun = 0;
      this.#left = this.#header.readUIntBE(0, 3);
    }
    return piece.length;
  }

  #content(bytes: Uint8Array, at: number): number {
    const count = Math.min(this.#left, bytes.length - at);
    this.#left -= count;
    if (this.#header[3] === DATA) this.#onData(this.#header.readUInt32BE(5) & 0x7fff_ffff, count);
    return count;
  }
}
