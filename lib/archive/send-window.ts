/** Most bytes of an archive that are sent and not acknowledged. */
export const COPY_WINDOW_BYTES = 1 << 20;
/** Most bytes of one frame with its header: a write of more is lost by vsock in guests with Linux 6.12. */
const COPY_PIECE_BYTES = 32_768 - 16;

/** Bytes of an archive that are on their way. */
export class SendWindow {
  sent = 0;
  #acknowledged = 0;
  #wake: () => void = () => undefined;

  /** Returns false for an offset that isn't on its way. */
  acknowledge(offset: number): boolean {
    if (offset < this.#acknowledged || offset > this.sent) return false;
    this.#acknowledged = offset;
    this.#wake();
    return true;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Resolves once `length` more bytes may be sent; rejects with the signal's reason. */
  async room(length: number, signal: AbortSignal): Promise<void> {
    while (this.sent + length - this.#acknowledged > COPY_WINDOW_BYTES) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    signal.throwIfAborted();
  }
}

/** Yields an archive in pieces of at most a frame, small ones together. */
export async function* inPieces(archive: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let length = 0;
  for await (const chunk of archive) {
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + COPY_PIECE_BYTES - length);
      at += piece.length;
      length += piece.length;
      waiting.push(piece);
      if (length < COPY_PIECE_BYTES) continue;
      yield joined(waiting);
      waiting = [];
      length = 0;
    }
  }
  if (length > 0) yield joined(waiting);
}

function joined(pieces: readonly Buffer[]): Buffer {
  const [only, more] = pieces;
  return only !== undefined && more === undefined ? only : Buffer.concat(pieces);
}
