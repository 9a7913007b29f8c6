import type { FieldDifference } from "./first-difference.ts";

/** Bytes kept from the start of each side, to show. */
const HEAD_BYTES = 64 << 10;
/** Bytes shown from where outputs differ. */
const SHOWN_BYTES = 60;
/** A side that is further ahead differs. */
const MOST_WAITING = 1 << 20;

/** Compares one output stream of a process byte by byte as it arrives, however many responses carry it. */
export class OutputComparison {
  readonly #method: string;
  readonly #sides = { recorded: new Side(), actual: new Side() };
  /** Position of the first byte that differs. */
  #differsAt: number | undefined;

  constructor(method: string) {
    this.#method = method;
  }

  /** Number of recorded bytes that the agent hasn't sent yet. */
  get missing(): number {
    return this.#sides.recorded.length - this.#sides.actual.length;
  }

  /** Bytes of each side, at most 64 KiB from the start. */
  get heads(): { readonly recorded: string; readonly actual: string } {
    return { recorded: this.#sides.recorded.head.toString(), actual: this.#sides.actual.head.toString() };
  }

  add(side: "recorded" | "actual", bytes: Buffer): void {
    const { recorded, actual } = this.#sides;
    this.#sides[side].add(bytes, this.#differsAt === undefined ? MOST_WAITING : SHOWN_BYTES);
    if (this.#differsAt !== undefined) return;
    const common = Math.min(recorded.waiting.length, actual.waiting.length);
    const same = recorded.waiting.subarray(0, common).equals(actual.waiting.subarray(0, common));
    if (!same) this.#differsAt = recorded.waitsFrom + firstUnequal(recorded.waiting, actual.waiting);
    else {
      recorded.compared(common);
      actual.compared(common);
      if (Math.abs(this.missing) > MOST_WAITING) this.#differsAt = Math.min(recorded.length, actual.length);
    }
  }

  /** Returns the first difference so far; missing or surplus bytes are one. */
  difference(): FieldDifference | undefined {
    const { recorded, actual } = this.#sides;
    const at =
      this.#differsAt ?? (recorded.length === actual.length ? undefined : Math.min(recorded.length, actual.length));
    if (at === undefined) return undefined;
    return { field: `${this.#method}.data, byte ${at}`, recorded: recorded.from(at), actual: actual.from(at) };
  }
}

class Side {
  length = 0;
  head: Buffer = Buffer.alloc(0);
  /** Bytes from the first one that the other side doesn't have, or that differs soon after. */
  waiting: Buffer = Buffer.alloc(0);
  /** Position of `waiting` in the stream. */
  waitsFrom = 0;

  /** Keeps bytes to compare them, unless `most` are kept already. */
  add(bytes: Buffer, most: number): void {
    this.length += bytes.length;
    if (this.head.length < HEAD_BYTES) this.head = Buffer.concat([this.head, bytes]).subarray(0, HEAD_BYTES);
    if (this.waiting.length <= most) this.waiting = Buffer.concat([this.waiting, bytes]);
  }

  compared(bytes: number): void {
    this.waiting = this.waiting.subarray(bytes);
    this.waitsFrom += bytes;
  }

  from(at: number): string {
    return this.waiting
      .subarray(at - this.waitsFrom)
      .subarray(0, SHOWN_BYTES)
      .toString();
  }
}

function firstUnequal(one: Buffer, other: Buffer): number {
  let at = 0;
  while (one[at] === other[at]) at += 1;
  return at;
}
