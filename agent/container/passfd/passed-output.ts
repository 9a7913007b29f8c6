import type { Fd, Sys } from "../../kernel/kernel.ts";
import { GRACE_MS, leftIn, MAX_LEFT_IN_TERMINAL } from "../process/output-stream.ts";
import type { PassedStream } from "./passed-stream.ts";

/** Most that one move takes. */
const MOVE_BYTES = 1 << 16;
/** Most of a terminal's output that is in the agent, and is lost should that be killed. */
const TERMINAL_BYTES = 4096;
/** A stream that is full is looked at so often at least: vsock does not wake a writer whose other side is gone. */
const LOOK_AGAIN_MS = 1000;
/** A host that takes nothing for so long delays the answer of a wait no more. */
const STALL_MS = 30_000;

const scratch = Buffer.allocUnsafeSlow(MOVE_BYTES);
const NOTHING = new Uint8Array();

/**
 * One output of a process, moved to a stream of the host: from a pipe within the kernel, so that no byte of it is ever in
 * the agent; from a terminal by copying. Owns the pipe or pty master and the stream. When the host has hung up, or there
 * is no stream, output is thrown away, so that the process goes on.
 */
export class PassedOutput {
  /** Resolves at the end, or when the process has ended and the host takes nothing. */
  readonly drained: Promise<void>;
  onEnd: ((writersGone: boolean) => void) | undefined;
  readonly #sys: Sys;
  readonly #terminal: boolean;
  readonly #stream: PassedStream | undefined;
  readonly #stallMs: number;
  readonly #drained: () => void;
  readonly #grace = new AbortController();
  #fd: Fd | undefined;
  /** Bytes still to be moved after the grace; undefined before it is over. */
  #budget: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stall: NodeJS.Timeout | undefined;
  /** Of a terminal: read and not written yet. */
  #rest: Uint8Array = NOTHING;

  /** Without a descriptor: it reached its end before the agent was started again. */
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

  /** What is there is still moved, then comes the end, after a grace at the latest. */
  processExited(): void {
    if (this.#fd === undefined || this.#timer !== undefined) return;
    this.#stall = setTimeout(this.#drained, this.#stallMs).unref();
    this.#timer = setTimeout(() => {
      if (this.#fd === undefined) return;
      this.#budget = this.#terminal ? MAX_LEFT_IN_TERMINAL : leftIn(this.#sys, this.#fd);
      this.#grace.abort();
    }, GRACE_MS).unref();
  }

  /** The end shows by itself. */
  settle(): void {}

  close(): void {
    this.#end(false);
  }

  /** An output that can't be read any more ends, so that nobody waits for it. */
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

  /** Bytes moved, 0 at the end, -1 when there is nothing to read or no room to write. */
  #move(fd: Fd, room: number): number {
    const to = this.#stream?.fd;
    if (to === undefined) return this.#sys.read(fd, scratch.subarray(0, room));
    try {
      return this.#terminal ? this.#copy(fd, to, room) : this.#sys.splice(fd, to, room);
    } catch {
      // The host has hung up.
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

  /** After a move that would have blocked: it was the stream that had no room. */
  #isFull(fd: Fd): boolean {
    if (this.#stream?.fd === undefined) return false;
    return this.#terminal ? this.#rest.length > 0 : this.#sys.readable(fd) > 0;
  }

  /** Until there is something to read, the grace is over, or it is closed. */
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
