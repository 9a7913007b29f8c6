import { constants, openSync, writeSync } from "node:fs";
import { visible } from "../visible.ts";

/** Writes lines to the engine's log, and drops them while nobody reads it. */
export class ShimLog {
  readonly #fd: number | undefined;

  /** @param fifo that the engine made in the bundle */
  constructor(fifo: string) {
    this.#fd = opened(fifo);
  }

  readonly write = (line: string): void => {
    if (this.#fd === undefined) return;
    const entry = JSON.stringify({ time: new Date().toISOString(), level: "error", msg: visible(line) });
    try {
      writeSync(this.#fd, `${entry}\n`);
    } catch {
      // The engine doesn't read its log.
    }
  };
}

/** Never waits for a reader. */
function opened(fifo: string): number | undefined {
  try {
    return openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}
