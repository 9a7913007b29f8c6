/** Maximum size in bytes of a body that counts as short even if it arrives in pieces. */
const SHORT_BYTES = 4096;

/** Memory budget for bodies, in bytes. */
export interface Room {
  /** Reserves memory for a body that is complete or short. Returns false if there isn't enough. */
  take(bytes: number): boolean;
  /** Reserves more memory for a long body that arrives in pieces, which may use only a part of the budget. */
  takePiece(bytes: number): boolean;
  give(bytes: number): void;
}

/** A body that arrives in pieces. Takes room as it grows, whatever length was announced. */
export class GrowingBody {
  readonly #room: Room;
  /** Its length is the amount of room taken. */
  #bytes = empty();
  #filled = 0;

  constructor(room: Room) {
    this.#room = room;
  }

  /** Appends a piece of a body of `length` bytes in total. Returns false if there is no room; then nothing is held. */
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

  /** Returns the whole body in its own ArrayBuffer; the caller gives the room back. */
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

/** Creates an empty buffer with its own ArrayBuffer, so that it can grow in place. */
const empty = (): Buffer<ArrayBuffer> => Buffer.from(new ArrayBuffer(0));
