import { totalmem } from "node:os";
import type { Room } from "../../proto/growing-body.ts";
import { v8, vm } from "../kernel/builtin.ts";

const MIB = 1 << 20;
/** Of the guest's memory. */
const SHARE = 1 / 8;
/** Of the room: what long bodies in pieces leave to others, so that no half-sent ones lock short requests out. */
const KEPT_SHARE = 1 / 8;

/**
 * Memory for the bodies of requests, of all connections together: from their first byte until their handler has
 * returned. What finds no room is refused, not waited for: two halves would wait for each other. Bodies that were given
 * back are garbage: after half the room of it V8, which waits for 64 MiB, is asked to collect.
 */
export class BodyRoom implements Room {
  #left: number;
  #garbage = 0;
  readonly #bytes: number;
  readonly #collect: () => void;

  /** Default: an eighth of the memory of this machine, from 8 to 256 MiB. */
  constructor(
    bytes: number = Math.min(Math.max(totalmem() * SHARE, 8 * MIB), 256 * MIB),
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

  /** For memory beside the room that is garbage now. */
  dropped(bytes: number): void {
    this.#garbage += bytes;
    if (this.#garbage <= this.#bytes / 2) return;
    this.#garbage = 0;
    this.#collect();
  }
}

let collector: (() => void) | undefined;

/** The flag only for this moment: of another set of flags the code cache is not taken. */
export function collectGarbage(): void {
  if (collector === undefined) {
    v8().setFlagsFromString("--expose-gc");
    collector = vm().runInNewContext("gc") as () => void;
    v8().setFlagsFromString("--no-expose-gc");
  }
  collector();
}
