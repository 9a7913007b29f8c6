import type { Fd, Sys } from "../../kernel/kernel.ts";
import type { Input } from "../process/stdio.ts";
import type { PassedStream } from "./passed-stream.ts";

/** Maximum number of bytes in one move. */
const MOVE_BYTES = 1 << 16;
/** Maximum terminal input buffered in the agent; it is lost if the agent is killed. */
const TERMINAL_BYTES = 4096;
const END_OF_FILE = Uint8Array.of(4);

/**
 * Moves the host's stream to a process's stdin: within the kernel to a pipe, which this object owns; by copying to a
 * pty master, which it only borrows. The end of the stream is the end of input.
 */
export class PassedInput implements Input {
  /** Called once when input has ended. */
  onEnd: (() => void) | undefined;
  readonly #sys: Sys;
  readonly #stream: PassedStream;
  readonly #terminal: boolean;
  #fd: Fd | undefined;

  /** `fd` is undefined if stdin was closed before the agent restarted. */
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

  /** Ends input now: closes a pipe, or sends a terminal its end-of-file character. */
  async end(): Promise<void> {
    try {
      if (this.#terminal && this.#fd !== undefined) this.#sys.write(this.#fd, END_OF_FILE);
    } catch {
      // The terminal is gone.
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
    // Lets the owner set onEnd first.
    await undefined;
    try {
      while (this.#fd !== undefined && this.#stream.fd !== undefined) {
        await this.#sys.poll(this.#stream.fd, "read");
        if (this.#fd === undefined || this.#stream.fd === undefined) return;
        if ((await this.#move(this.#stream.fd, this.#fd)) === 0) break;
      }
      await this.end();
    } catch {
      // The host hung up, the process closed its stdin, or this object was closed.
      this.close();
    }
  }

  /** Returns 0 at the end of the stream. */
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
