/** Counters of the targets' program, which its prelude defines (build-targets.ts). */
interface Counters {
  /** Number of times that each branch was taken, by its id. */
  readonly counts: Uint32Array;
  /** Ids of the branches with a count; the first `size` entries are valid. */
  readonly touched: Uint32Array;
  size: number;
  /** Pairs of compared values that differed. The next pair goes to `at`. */
  readonly compared: (string | number)[];
  at: number;
}

const counters = (globalThis as unknown as { readonly $fuzz: Counters }).$fuzz;

/** Branches that inputs reached, with the magnitude of their counts. */
export class Coverage {
  /** One bit for each magnitude of count, by branch id. */
  readonly #seen = new Uint8Array(counters.counts.length);
  edges = 0;

  /** Clears the counts since the last call. */
  reset(): void {
    for (let at = 0; at < counters.size; at++) counters.counts[counters.touched[at] ?? 0] = 0;
    counters.size = 0;
  }

  /** Adds the last input's counts. True if a branch was reached for the first time, or with a new magnitude. */
  add(): boolean {
    let isNew = false;
    for (let at = 0; at < counters.size; at++) {
      const id = counters.touched[at] ?? 0;
      const bit = magnitude(counters.counts[id] ?? 0);
      const seen = this.#seen[id] ?? 0;
      if ((seen & bit) !== 0) continue;
      if (seen === 0) this.edges++;
      this.#seen[id] = seen | bit;
      isNew = true;
    }
    return isNew;
  }

  /** Returns the ids of all reached branches. */
  reached(): number[] {
    return [...this.#seen.keys()].filter((id) => this.#seen[id] !== 0);
  }
}

/** Returns the ids of the branches that were reached since the last reset. */
export const touched = (): number[] => [...counters.touched.subarray(0, counters.size)];

/** Returns the values of a recent comparison that failed. */
export function comparedPair(random: () => number): readonly [string | number, string | number] | undefined {
  const at = Math.floor((random() * counters.compared.length) / 2) * 2;
  const [a = "", b = ""] = [counters.compared[at], counters.compared[at + 1]];
  return a === "" && b === "" ? undefined : [a, b];
}

function magnitude(count: number): number {
  if (count < 4) return 1 << (count - 1);
  if (count < 8) return 8;
  if (count < 16) return 16;
  if (count < 32) return 32;
  return count < 128 ? 64 : 128;
}
