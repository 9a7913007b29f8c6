import type { Fd, Sys } from "../../kernel/kernel.ts";

/** Longest line that is kept, in bytes. */
const MAX_LINE = 512;
const CHUNK = 65_536;

/**
 * Takes everything from a pipe, so that its writer is never held up, and keeps the beginning. Owns the descriptor until
 * `close`.
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

  /** Ends the reading; gives the first line that isn't empty, without its end. */
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

  /** Bytes taken; 0 at the end of file, -1 when there are none now. */
  #take(): number {
    const count = this.#sys.read(this.#fd, this.#scratch);
    const room = Math.min(count, MAX_LINE - this.#kept.length);
    if (room > 0) this.#kept = Buffer.concat([this.#kept, this.#scratch.subarray(0, room)]);
    return count;
  }
}
