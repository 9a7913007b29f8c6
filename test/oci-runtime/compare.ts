import { KNOWN_FAILURES, type KnownFailure } from "./known-failures.ts";
import type { Outcome } from "./run-program.ts";

export interface Comparison {
  /** Unexpected failures, one line each. */
  readonly unexpected: readonly string[];
  /** Expected failures that did not happen and should leave the list, one line each. */
  readonly gone: readonly string[];
  /** Expected failures that happened. */
  readonly known: readonly KnownFailure[];
}

/** Compares outcomes with the list. Ignores the entries of programs that did not run. */
export function compare(outcomes: readonly Outcome[], list: readonly KnownFailure[] = KNOWN_FAILURES): Comparison {
  const expected = list.filter(({ when }) => when?.() ?? true);
  const used = new Set<KnownFailure>();
  const unexpected: string[] = [];
  for (const { program, failed } of outcomes) {
    for (const { point, detail } of failed) {
      const entry = expected.find((known) => isOf(known, program) && point.startsWith(known.point ?? ""));
      if (entry !== undefined) used.add(entry);
      else unexpected.push(`${program}: ${point}${detail === "" ? "" : `: ${detail}`}`);
    }
  }
  const gone = expected.filter((entry) => outcomes.some(({ program }) => isOf(entry, program)) && !used.has(entry));
  return {
    unexpected,
    gone: gone.map(({ program, point }) => [program ?? "any program", point].filter(Boolean).join(": ")),
    known: [...used],
  };
}

function isOf(known: KnownFailure, program: string): boolean {
  return known.program === undefined || known.program === program;
}
