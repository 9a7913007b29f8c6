/** Counters that the prelude of the program of all targets keeps (build-targets.ts). */
interface Counters {
  /** By id of a branch. */
  readonly counts: Uint32Array;
  /** Ids with a count, `size` of them. */
  readonly touched: Uint32Array;
  size: number;
  /** Pairs of values that were compared and are not the same; the next pair goes to `at`. */
  readonly compared: (string | number)[];
  at: number;
}

const counters = (globalThis as unknown as { readonly $fuzz: Counters }).$fuzz;

/** The branches that inputs reached, each with how often, roughly. */
export class Coverage {
  /** By id, a bit for each magnitude of counts. */
  readonly #seen = new Uint8Array(counters.counts.length);
  edges = 0;

  /** Forgets what was counted since the last call. */
  reset(): void {
    for (let at = 0; at < counters.size; at++) counters.counts[counters.touched[at] ?? 0] = 0;
    counters.size = 0;
  }

  /** True if something was reached for the first time since this coverage began, or a new number of times. */
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

  /** Ids of the branches that were reached. */
  reached(): number[] {
    return [...this.#seen.keys()].filter((id) => this.#seen[id] !== 0);
  }
}

/** Ids of the branches that were reached since the last reset. */
export const touched = (): number[] => [...counters.touched.subarray(0, counters.size)];

/** One of the last comparisons that failed. */
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
