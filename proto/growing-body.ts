/** A body in pieces that is no longer than this is short: bytes. */
const SHORT_BYTES = 4096;

/** Memory for bodies, in bytes. */
export interface Room {
  /** For a body that is there as a whole, or is short. False when there is not so much. */
  take(bytes: number): boolean;
  /** For more of a long body that comes in pieces; not all of the room is for those. */
  takePiece(bytes: number): boolean;
  give(bytes: number): void;
}

/** A body that comes in pieces. It takes room as it grows, whatever length was announced. */
export class GrowingBody {
  readonly #room: Room;
  /** Its length is the room that is taken. */
  #bytes = empty();
  #filled = 0;

  constructor(room: Room) {
    this.#room = room;
  }

  /** `length`: of the whole body. False when there is no room; nothing is held then. */
  add(piece: Uint8Array, length: number): boolean {
    const needed = this.#filled + piece.length;
    if (needed > this.#bytes.length) {
      const size = Math.min(length, Math.max(needed, this.#bytes.length * 2));
      if (!this.#take(size, length)) {
        this.drop();
        return false;
      }
      this.#bytes = Buffer.from(this.#bytes.buffer.transfer(size));
    }
    this.#bytes.set(piece, this.#filled);
    this.#filled = needed;
    return true;
  }

  /** All of it, an ArrayBuffer of its own; whoever asks gives the room back. */
  end(): Buffer<ArrayBuffer> {
    const bytes = this.#bytes;
    this.#bytes = empty();
    this.#filled = 0;
    return bytes;
  }

  drop(): void {
    this.#room.give(this.end().length);
  }

  #take(size: number, length: number): boolean {
    const more = size - this.#bytes.length;
    return more === length || length <= SHORT_BYTES ? this.#room.take(more) : this.#room.takePiece(more);
  }
}

/** Of its own, so that it can grow in place. */
const empty = (): Buffer<ArrayBuffer> => Buffer.from(new ArrayBuffer(0));
