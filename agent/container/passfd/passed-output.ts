import type { Fd, Sys } from "../../kernel/kernel.ts";
import { GRACE_MS } from "../process/output-source.ts";
import { leftIn, MAX_LEFT_IN_TERMINAL } from "../process/read-rest.ts";
import type { Output } from "../process/stdio.ts";
import type { PassedStream } from "./passed-stream.ts";

/** Maximum number of bytes in one move. */
const MOVE_BYTES = 1 << 16;
/** Maximum terminal output buffered in the agent; it is lost if the agent is killed. */
const TERMINAL_BYTES = 4096;
/** Poll interval for a full stream: vsock doesn't wake a writer whose peer is gone. */
const LOOK_AGAIN_MS = 1000;
/** A host that reads nothing for this long no longer delays the response to WaitProcess. */
const STALL_MS = 30_000;

const scratch = Buffer.allocUnsafeSlow(MOVE_BYTES);
const NOTHING = new Uint8Array();

/**
 * Moves one output of a process to the host's stream: from a pipe within the kernel, so that the agent never holds a
 * byte; from a terminal by copying. Owns the pipe or pty master and the stream. If the host hung up or there is no
 * stream, output is discarded, so that the process keeps running.
 */
export class PassedOutput implements Output {
  /** Resolves at the end of output, or if the process has exited and the host reads nothing. */
  readonly drained: Promise<void>;
  onEnd: ((writersGone: boolean) => void) | undefined;
  readonly #sys: Sys;
  readonly #terminal: boolean;
  readonly #stream: PassedStream | undefined;
  readonly #stallMs: number;
  readonly #drained: () => void;
  readonly #grace = new AbortController();
  #fd: Fd | undefined;
  /** Bytes still to move after the grace period; undefined until it is over. */
  #budget: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stall: NodeJS.Timeout | undefined;
  /** Terminal output read but not yet written. */
  #rest: Uint8Array = NOTHING;

  /** `fd` is undefined if the output ended before the agent restarted. */
  constructor(sys: Sys, fd: Fd | undefined, stream: PassedStream | undefined, terminal: boolean, stallMs = STALL_MS) {
    this.#sys = sys;
    this.#fd = fd;
    this.#stream = stream;
    this.#terminal = terminal;
    this.#stallMs = stallMs;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.drained = promise;
    this.#drained = resolve;
    if (fd === undefined) {
      stream?.close();
      resolve();
      return;
    }
    void this.#runToEnd();
  }

  get ended(): boolean {
    return this.#fd === undefined;
  }

  get open(): boolean {
    return this.#fd !== undefined;
  }

  get isAttached(): boolean {
    return false;
  }

  /** Moves the remaining output, then ends, at the latest after the grace period. */
  processExited(): void {
    if (this.#fd === undefined || this.#timer !== undefined) return;
    this.#stall = setTimeout(this.#drained, this.#stallMs).unref();
    this.#timer = setTimeout(() => {
      if (this.#fd === undefined) return;
      this.#budget = this.#terminal ? MAX_LEFT_IN_TERMINAL : leftIn(this.#sys, this.#fd);
      this.#grace.abort();
    }, GRACE_MS).unref();
  }

  /** Does nothing: reading detects the end of output. */
  settle(): void {}

  close(): void {
    this.#end(false);
  }

  /** Ends the output if reading it fails, so that no call waits for it. */
  async #runToEnd(): Promise<void> {
    try {
      await this.#run();
    } catch {
      this.#end(false);
    }
  }

  async #run(): Promise<void> {
    while (this.#fd !== undefined) {
      const wasLast = this.#budget !== undefined;
      if (!wasLast && this.#rest.length === 0) await this.#readable(this.#fd);
      if (this.#fd === undefined) return;
      const room = Math.min(MOVE_BYTES, this.#budget ?? MOVE_BYTES);
      const moved = room === 0 ? 0 : this.#move(this.#fd, room);
      if (moved > 0) {
        this.#stall?.refresh();
        if (this.#budget !== undefined) this.#budget -= moved;
      } else if (moved === 0) this.#end(room > 0);
      else if (this.#isFull(this.#fd)) await this.#writable();
      else if (wasLast) this.#end(false);
    }
  }

  /** Returns the number of bytes moved, 0 at the end, or -1 if there is nothing to read or no room to write. */
  #move(fd: Fd, room: number): number {
    const to = this.#stream?.fd;
    if (to === undefined) return this.#sys.read(fd, scratch.subarray(0, room));
    try {
      return this.#terminal ? this.#copy(fd, to, room) : this.#sys.splice(fd, to, room);
    } catch {
      // The host hung up.
      this.#stream?.close();
      this.#rest = NOTHING;
      return -1;
    }
  }

  #copy(fd: Fd, to: Fd, room: number): number {
    if (this.#rest.length === 0) {
      const piece = new Uint8Array(Math.min(room, TERMINAL_BYTES));
      const count = this.#sys.read(fd, piece);
      if (count <= 0) return count;
      this.#rest = piece.subarray(0, count);
    }
    const written = this.#sys.write(to, this.#rest);
    if (written > 0) this.#rest = this.#rest.subarray(written);
    return written;
  }

  /** True if a move that would block found the stream full, not the output empty. */
  #isFull(fd: Fd): boolean {
    if (this.#stream?.fd === undefined) return false;
    return this.#terminal ? this.#rest.length > 0 : this.#sys.readable(fd) > 0;
  }

  /** Resolves when there is something to read, the grace period is over, or the output is closed. */
  async #readable(fd: Fd): Promise<void> {
    await this.#sys.poll(fd, "read", this.#grace.signal).catch(() => undefined);
  }

  async #writable(): Promise<void> {
    const to = this.#stream?.fd;
    if (to === undefined) return;
    await this.#sys.poll(to, "write", AbortSignal.timeout(LOOK_AGAIN_MS)).catch(() => undefined);
  }

  #end(writersGone: boolean): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#stall);
    if (this.#fd === undefined) return;
    this.#stream?.close();
    this.#sys.close(this.#fd);
    this.#fd = undefined;
    this.#drained();
    this.onEnd?.(writersGone);
  }
}
