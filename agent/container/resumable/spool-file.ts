import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { Fd } from "../../kernel/kernel.ts";

/** The file grows by so many bytes, which are allocated before output is moved into them. Its capacity is a multiple. */
export const SPOOL_STEP_BYTES = 16_384;
const ZEROS = Buffer.alloc(SPOOL_STEP_BYTES);

/**
 * File on tmpfs for the last bytes of an output: the byte at offset n is at n modulo the capacity. It grows to the capacity
 * as it is used, and only with memory that is there, so moving output into it can't fail halfway.
 */
export class SpoolFile {
  readonly fd: Fd;
  /** Bytes that are allocated. */
  #size: number;

  constructor(path: string) {
    this.fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    const { size } = fstatSync(this.fd);
    this.#size = size - (size % SPOOL_STEP_BYTES);
  }

  /** Makes room from `offset` on and returns the capacity: less than the given one if memory is short, 0 if none is left. */
  grow(offset: number, capacity: number): number {
    if (this.#size >= capacity || offset < this.#size) return capacity;
    try {
      if (writeSync(this.fd, ZEROS, 0, SPOOL_STEP_BYTES, this.#size) === SPOOL_STEP_BYTES) {
        this.#size += SPOOL_STEP_BYTES;
        return capacity;
      }
    } catch {
      // No memory: the file stays as it is.
    }
    ftruncateSync(this.fd, this.#size);
    return this.#size;
  }

  /** Bytes from a position on that can be written in one piece. */
  roomAt(position: number): number {
    return this.#size - position;
  }

  /** Reads at most `most` bytes from a position on, up to the end of the file, after `room` bytes for the caller. */
  read(position: number, most: number, room = 0): Buffer {
    const bytes = Buffer.allocUnsafe(room + Math.min(most, this.#size - position));
    return bytes.subarray(0, room + readSync(this.fd, bytes, room, bytes.length - room, position));
  }

  close(): void {
    closeSync(this.fd);
  }
}
