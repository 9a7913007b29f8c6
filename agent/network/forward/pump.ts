import { setImmediate as yieldToEventLoop } from "node:timers/promises";
import type { Direction } from "../../kernel/journal/forward-ledger.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { ForwardBase } from "./forward-parts.ts";

/** Size of a direction's pipe, and most bytes of one move. */
export const PIPE_BYTES = 131_072;
/** Most bytes of one move to vsock: longer writes were lost by kernel 6.12. */
const VSOCK_BYTES = 32_768;
/** Moves after which other work has its turn. */
const BURST = 8;

/**
 * Moves one direction of a forwarded connection from socket to socket within the kernel, through a pipe that init keeps. The
 * ledger counts what has left the pipe, so a killed agent leaves nothing uncertain: the pipe's content tells how far the move
 * got that it died in.
 */
export class Pump {
  /** Set once the source has ended. */
  sourceEnded = false;
  readonly #base: ForwardBase;
  readonly #place: number;
  readonly #direction: Direction;
  readonly #pipe: Fd;
  #held: number;
  #woken = new AbortController();
  #stopped = false;

  constructor(base: ForwardBase, place: number, direction: Direction, pipe: Fd) {
    this.#base = base;
    this.#place = place;
    this.#direction = direction;
    this.#pipe = pipe;
    this.#held = base.sys.readable(pipe);
  }

  /** Bytes that have left the pipe. */
  get moved(): number {
    return this.#base.ledger.moved(this.#place, this.#direction);
  }

  /** Bytes taken from the source. */
  get taken(): number {
    return this.moved + this.#held;
  }

  /** Ends `run` without an error. */
  stop(): void {
    this.#stopped = true;
    this.#woken.abort();
  }

  /** Makes `run` check its end again. */
  wake(): void {
    this.#woken.abort();
    this.#woken = new AbortController();
  }

  /** Moves until the pipe is empty and either the source has ended or `isEnd` holds. Rejects if a socket breaks. */
  async run(from: Fd, to: Fd, isEnd: () => boolean): Promise<void> {
    const { sys } = this.#base;
    const most = sys.isVsock(to) ? VSOCK_BYTES : PIPE_BYTES;
    for (let moves = 0; !this.#stopped; ) {
      const filled = this.#fill(from);
      const emptied = this.#held > 0 ? this.#empty(to, most) : false;
      if (this.#held === 0 && (this.sourceEnded || isEnd())) return;
      if (filled || emptied) {
        if (++moves % BURST === 0) await yieldToEventLoop();
        continue;
      }
      const { signal } = this.#woken;
      const waiting = this.#held > 0 ? sys.poll(to, "write", signal) : sys.poll(from, "read", signal);
      await waiting.catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  #fill(from: Fd): boolean {
    if (this.sourceEnded) return false;
    const got = this.#base.sys.splice(from, this.#pipe, PIPE_BYTES);
    if (got > 0) this.#held += got;
    else if (got === 0) this.sourceEnded = true;
    return got >= 0;
  }

  #empty(to: Fd, most: number): boolean {
    const { sys, ledger } = this.#base;
    const [place, direction, base] = [this.#place, this.#direction, this.moved];
    ledger.begin({ place, direction, base, held: this.#held });
    try {
      const moved = sys.splice(this.#pipe, to, Math.min(this.#held, most));
      if (moved <= 0) return false;
      ledger.setMoved(place, direction, base + moved);
      this.#held -= moved;
      return true;
    } finally {
      ledger.end();
    }
  }
}
