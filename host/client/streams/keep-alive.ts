import type { Duplex } from "node:stream";
import { encodeStreamFrame, STREAM } from "../../../proto/stream-frame.ts";

const PING_MS = 15_000;
/** Pings without an answer after which the connection counts as lost. */
const MISSED = 3;

/**
 * Destroys a connection whose agent no longer answers. The agent's silence counts only while `isReading`: a reader that
 * pauses finds the answers when it continues. Default: while no bytes that have arrived wait to be read.
 */
export class KeepAlive implements Disposable {
  #unanswered = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(socket: Duplex, isReading: () => boolean = () => socket.readableLength === 0) {
    this.#timer = setInterval(() => {
      if (!isReading()) return;
      if (this.#unanswered++ >= MISSED) socket.destroy(new Error("the agent doesn't answer"));
      else socket.write(encodeStreamFrame("ping", STREAM.process, 0));
    }, PING_MS);
  }

  /** Takes note that the agent has sent something. */
  answered(): void {
    this.#unanswered = 0;
  }

  /** Lets the process end although the connection is open. */
  unref(): this {
    this.#timer.unref();
    return this;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
