import { type CaseGroup, type ConformanceCase, LEVELS, type Level } from "./case.ts";
import { globExpression } from "./glob.ts";
import type { Protocol } from "./session.ts";

/** Version of the contract that the cases describe. */
export const NEWEST_CONTRACT = "4.1.0";

/** Which cases run, and how. */
export interface Selection {
  readonly levels: readonly Level[];
  /** Globs of group names; none selects all. */
  readonly groups: readonly string[];
  /** Globs of case names; none selects all. */
  readonly names: readonly string[];
  /** Globs of case names to leave out. */
  readonly skip: readonly string[];
  /** Rules that are newer are left out. */
  readonly contract: string;
  /** Time limit of a case in seconds. */
  readonly timeLimit: number;
  /** Other limits in seconds, by globs of case names; the first match counts. */
  readonly timeLimits: Readonly<Record<string, number>>;
  readonly concurrency: number;
  readonly seed: number;
  readonly protocols: readonly Protocol[];
  /** Lowest level whose failures fail the run. */
  readonly require: Level;
}

/** Returns the selection of everything, with a new seed. */
export function defaultSelection(): Selection {
  return {
    ...{ levels: LEVELS, groups: [], names: [], skip: [], contract: NEWEST_CONTRACT, timeLimit: 30, timeLimits: {} },
    ...{ concurrency: 4, seed: Math.floor(Math.random() * 1_000_000), protocols: ["ttrpc"], require: "must" },
  };
}

/** True unless the user has disabled the case. */
export function isSelected(selection: Selection, group: CaseGroup, one: ConformanceCase): boolean {
  return (
    selection.levels.includes(one.level) &&
    (selection.groups.length === 0 || matchesAny(selection.groups, group.name)) &&
    (selection.names.length === 0 || matchesAny(selection.names, one.name)) &&
    !matchesAny(selection.skip, one.name) &&
    (one.since === undefined || !isOlder(selection.contract, one.since))
  );
}

/** A case's own limit counts if it is longer than the run's. */
export function timeLimitMs(selection: Selection, one: ConformanceCase): number {
  const given = Object.entries(selection.timeLimits).find(([glob]) => globExpression(glob).test(one.name))?.[1];
  return 1000 * (given ?? Math.max(selection.timeLimit, one.timeLimit ?? 0));
}

function matchesAny(globs: readonly string[], name: string): boolean {
  return globs.some((glob) => globExpression(glob).test(name));
}

/** Compares versions such as 4.1.0 and 3.2. */
function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(".").map(Number));
  for (let at = 0; at < 3; at++) {
    const difference = (a?.[at] ?? 0) - (b?.[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
