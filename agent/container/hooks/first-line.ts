import type { Fd, Sys } from "../../kernel/kernel.ts";

/** Longest line to keep, in bytes. */
const MAX_LINE = 512;
const CHUNK = 65_536;

/**
 * Reads a pipe to its end, so that its writer never blocks, and keeps the beginning. Owns the descriptor until `close`.
 */
export class FirstLine {
  readonly #sys: Sys;
  readonly #fd: Fd;
  readonly #scratch = Buffer.allocUnsafe(CHUNK);
  #kept = Buffer.alloc(0);

  constructor(sys: Sys, fd: Fd) {
    this.#sys = sys;
    this.#fd = fd;
    sys.setNonBlocking(fd);
    void this.#run();
  }

  /** Stops reading; returns the first line that isn't empty, without its line break. */
  close(): string {
    this.#take();
    this.#sys.close(this.#fd);
    return this.#kept.toString().trimStart().split("\n", 1)[0]?.trim() ?? "";
  }

  async #run(): Promise<void> {
    try {
      do await this.#sys.poll(this.#fd, "read");
      while (this.#take() !== 0);
    } catch {
      // Closed.
    }
  }

  /** Returns the number of bytes read; 0 at the end of file, -1 if there are none now. */
  #take(): number {
    const count = this.#sys.read(this.#fd, this.#scratch);
    const room = Math.min(count, MAX_LINE - this.#kept.length);
    if (room > 0) this.#kept = Buffer.concat([this.#kept, this.#scratch.subarray(0, room)]);
    return count;
  }
}
