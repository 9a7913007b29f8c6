import { totalmem } from "node:os";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Room } from "../../proto/growing-body.ts";

const MIB = 1 << 20;
/** Share of the guest's memory that bodies may take. */
const SHARE = 1 / 8;
/** Share of the room that bodies arriving in pieces must leave free, so that half-sent requests can't lock out short ones. */
const KEPT_SHARE = 1 / 8;

/**
 * Accounts for the memory of request bodies on all connections, from their first byte until their handler returns. A body
 * without room is refused instead of queued, because two half-received bodies would wait for each other. Released bodies are
 * garbage; once half the room is garbage, V8 is asked to collect it, because on its own it waits for 64 MiB.
 */
export class BodyRoom implements Room {
  #left: number;
  #garbage = 0;
  readonly #bytes: number;
  readonly #collect: () => void;

  /** `bytes` defaults to an eighth of this machine's memory, from 8 to 64 MiB. */
  constructor(
    bytes: number = Math.min(Math.max(totalmem() * SHARE, 8 * MIB), 64 * MIB),
    collect: () => void = collectGarbage,
  ) {
    this.#left = bytes;
    this.#bytes = bytes;
    this.#collect = collect;
  }

  get left(): number {
    return this.#left;
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  takePiece(bytes: number): boolean {
    return bytes <= this.#left - this.#bytes * KEPT_SHARE && this.take(bytes);
  }

  give(bytes: number): void {
    this.#left += bytes;
    this.dropped(bytes);
  }

  /** Counts garbage that was never part of the room. */
  dropped(bytes: number): void {
    this.#garbage += bytes;
    if (this.#garbage <= this.#bytes / 2) return;
    this.#garbage = 0;
    this.#collect();
  }
}

let collector: (() => void) | undefined;

/** Collects garbage. Sets V8's flag only for a moment: the code cache is rejected if flags differ. */
export function collectGarbage(): void {
  if (collector === undefined) {
    setFlagsFromString("--expose-gc");
    collector = runInNewContext("gc") as () => void;
    setFlagsFromString("--no-expose-gc");
  }
  collector();
}
