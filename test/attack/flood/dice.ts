import type { Random } from "../../../lib/seeded-random.ts";

/** Choices of a seeded generator. */
export class Dice {
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** Returns an integer from 0 to `end`, exclusive. */
  below(end: number): number {
    return Math.floor(this.random() * end);
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }

  chance(part: number): boolean {
    return this.random() < part;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

/** Returns a big-endian u32. */
export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
