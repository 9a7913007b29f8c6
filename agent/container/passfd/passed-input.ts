import type { Fd, Sys } from "../../kernel/kernel.ts";
import type { PassedStream } from "./passed-stream.ts";

/** Most that one move takes. */
const MOVE_BYTES = 1 << 16;
/** Most of a terminal's input that is in the agent, and is lost should that be killed. */
const TERMINAL_BYTES = 4096;
const END_OF_FILE = Uint8Array.of(4);

/**
 * The stdin of a process, moved from a stream of the host: to a pipe, which this object owns, within the kernel; to a pty
 * master, which it only borrows, by copying. The stream's end is the end of input.
 */
export class PassedInput {
  /** Called once, when no input can come any more. */
  onEnd: (() => void) | undefined;
  readonly #sys: Sys;
  readonly #stream: PassedStream;
  readonly #terminal: boolean;
  #fd: Fd | undefined;

  /** Without a descriptor: it was closed before the agent was started again. */
  constructor(sys: Sys, fd: Fd | undefined, stream: PassedStream, terminal: boolean) {
    this.#sys = sys;
    this.#fd = fd;
    this.#stream = stream;
    this.#terminal = terminal;
    if (fd === undefined) {
      stream.close();
      return;
    }
    void this.#run();
  }

  /** End of input now: a pipe is closed, a terminal gets its end-of-file character. */
  end(): void {
    try {
      if (this.#terminal && this.#fd !== undefined) this.#sys.write(this.#fd, END_OF_FILE);
    } catch {
      // The terminal has ended.
    }
    this.close();
  }

  close(): void {
    if (this.#fd === undefined) return;
    if (!this.#terminal) this.#sys.close(this.#fd);
    this.#fd = undefined;
    this.#stream.close();
    this.onEnd?.();
  }

  async #run(): Promise<void> {
    // Its owner sets what is called at the end first.
    await undefined;
    try {
      while (this.#fd !== undefined && this.#stream.fd !== undefined) {
        await this.#sys.poll(this.#stream.fd, "read");
        if (this.#fd === undefined || this.#stream.fd === undefined) return;
        if ((await this.#move(this.#stream.fd, this.#fd)) === 0) break;
      }
      this.end();
    } catch {
      // The host is gone, or nobody reads it any more, or it is closed.
      this.close();
    }
  }

  /** 0 at the end of the stream. */
  async #move(from: Fd, to: Fd): Promise<number> {
    if (this.#terminal) return this.#copy(from, to);
    const moved = this.#sys.splice(from, to, MOVE_BYTES);
    if (moved < 0) await this.#sys.poll(to, "write");
    return moved;
  }

  async #copy(from: Fd, to: Fd): Promise<number> {
    const data = new Uint8Array(TERMINAL_BYTES);
    const count = this.#sys.read(from, data);
    for (let at = 0; at < count; ) {
      if (this.#fd === undefined) return 0;
      const written = this.#sys.write(to, data.subarray(at, count));
      if (written < 0) await this.#sys.poll(to, "write");
      else at += written;
    }
    return count;
  }
}
