import type { Direction } from "../../kernel/journal/forward-ledger.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { Pumping } from "../../kernel/sys/sys-descriptors.ts";
import type { ForwardBase } from "./forward-parts.ts";

/** Size of a direction's pipe, and most bytes of one move. */
export const PIPE_BYTES = 131_072;
/** Most bytes of one move to vsock: longer writes were lost by kernel 6.12. */
const VSOCK_BYTES = 32_768;

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
  readonly #ended = Promise.withResolvers<void>();
  #pumping: Pumping | undefined;

  constructor(base: ForwardBase, place: number, direction: Direction, pipe: Fd) {
    this.#base = base;
    this.#place = place;
    this.#direction = direction;
    this.#pipe = pipe;
  }

  /** Bytes that have left the pipe. */
  get moved(): number {
    return this.#base.ledger.moved(this.#place, this.#direction);
  }

  /** Ends `run` without an error. */
  stop(): void {
    this.#pumping?.close();
    this.#ended.resolve();
  }

  /** Ends `run` once `total` bytes were moved. */
  endAt(total: number): void {
    if (this.#pumping?.endAt(total)) this.stop();
  }

  /** Moves until the pipe is empty and either the source has ended or everything was moved. Rejects if a socket breaks. */
  run(from: Fd, to: Fd): Promise<void> {
    const { sys, ledger } = this.#base;
    const most = sys.isVsock(to) ? VSOCK_BYTES : PIPE_BYTES;
    const memory = ledger.memoryOf(this.#place, this.#direction);
    this.#pumping = sys.pump({ from, pipe: this.#pipe, to, most, memory }, (error, isSourceEnded) => {
      this.sourceEnded = isSourceEnded;
      if (error === undefined) this.#ended.resolve();
      else this.#ended.reject(error);
    });
    return this.#ended.promise;
  }
}
