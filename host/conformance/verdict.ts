import { LEVELS, type Level } from "./case.ts";
import { type CaseResult, type Run, STATES, type State } from "./results.ts";

/** True if the result fails the run. */
export function failsRun({ require }: Pick<Run, "require">, result: CaseResult): boolean {
  const { knownFailure, state, level } = result;
  if (knownFailure !== undefined) return state === "passed";
  if (state === "unsupported") return level === "must";
  return state === "failed" && LEVELS.indexOf(level) <= LEVELS.indexOf(require);
}

/** True if all that is required passed. */
export function isConformant(run: Run): boolean {
  return run.problems.length === 0 && !run.results.some((result) => failsRun(run, result));
}

export function countStates(results: readonly CaseResult[]): Readonly<Record<State, number>> {
  const count = (state: State) => results.filter((result) => result.state === state).length;
  return Object.fromEntries(STATES.map((state) => [state, count(state)])) as Record<State, number>;
}

/** Returns how many cases of a level passed, of those that the run wanted. */
export function countLevel(
  results: readonly CaseResult[],
  level: Level,
): { readonly passed: number; readonly of: number } {
  const wanted = results.filter((result) => result.level === level && result.state !== "disabled");
  return { passed: wanted.filter(({ state }) => state === "passed").length, of: wanted.length };
}
