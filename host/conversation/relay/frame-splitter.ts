import { HEADER_BYTES, MAX_BODY_BYTES } from "../../../proto/ttrpc-frame.ts";

/** A whole frame with its header, or a piece of one that is passed on as it arrives. */
export interface FrameBytes {
  readonly kind: "frame" | "piece";
  readonly bytes: Buffer;
  /** True for a frame, and for the last piece of one. */
  readonly last: boolean;
}

/**
 * Splits a byte stream into ttRPC frames without losing a byte. A frame of over 4 MiB comes in pieces, and so does the rest of a
 * frame after `flush`. Holds at most one frame.
 */
export class FrameSplitter {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** Body bytes to come, once the header is complete. */
  #left = 0;
  #held: Buffer[] = [];
  #inPieces = false;

  /** True if bytes of an incomplete frame are held. */
  get holds(): boolean {
    return this.#held.length > 0;
  }

  push(chunk: Buffer): FrameBytes[] {
    const frames: FrameBytes[] = [];
    let at = 0;
    while (at < chunk.length) {
      const start = at;
      if (this.#headerBytes < HEADER_BYTES) {
        const taken = chunk.copy(this.#header, this.#headerBytes, at);
        this.#headerBytes += taken;
        at += taken;
        if (this.#headerBytes === HEADER_BYTES) this.#left = this.#header.readUInt32BE(0);
        if (this.#left > MAX_BODY_BYTES) this.#inPieces = true;
      } else {
        at = Math.min(chunk.length, at + this.#left);
        this.#left -= at - start;
      }
      this.#held.push(chunk.subarray(start, at));
      if (this.#headerBytes === HEADER_BYTES && this.#left === 0) frames.push(this.#end());
    }
    return this.#inPieces && this.holds ? [...frames, ...this.flush()] : frames;
  }

  /** Returns the held bytes as a piece; the rest of their frame will be pieces too. */
  flush(): FrameBytes[] {
    if (!this.holds) return [];
    this.#inPieces = true;
    return [{ kind: "piece", bytes: this.#take(), last: false }];
  }

  #end(): FrameBytes {
    const kind = this.#inPieces ? "piece" : "frame";
    this.#headerBytes = 0;
    this.#inPieces = false;
    return { kind, bytes: this.#take(), last: true };
  }

  #take(): Buffer {
    const bytes = Buffer.concat(this.#held);
    this.#held = [];
    return bytes;
  }
}
