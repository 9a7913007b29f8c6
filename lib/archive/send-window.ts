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

/**
 * Yields an archive in pieces of at most a frame, each after `room` bytes for the caller. A piece is valid until the next one is
 * requested.
 */
export async function* inPieces(archive: AsyncIterable<Buffer>, room = 0): AsyncGenerator<Buffer> {
  const piece = Buffer.allocUnsafeSlow(room + COPY_PIECE_BYTES);
  let end = room;
  for await (const chunk of archive) {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(piece, end, at);
      at += copied;
      end += copied;
      if (end < piece.length) continue;
      yield piece;
      end = room;
    }
  }
  if (end > room) yield piece.subarray(0, end);
}
