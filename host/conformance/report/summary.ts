import { visibleLine } from "../../visible.ts";
import { LEVELS } from "../case.ts";
import type { CaseResult, Run } from "../results.ts";
import { countLevel, countStates, failsRun, isConformant } from "../verdict.ts";

/** Longest line about a case, in characters. */
const MAX_LINE = 400;

/** Returns a run in one line. */
export function summaryLine(run: Run): string {
  const { environment, results, ms } = run;
  const counts = Object.entries(countStates(results)).map(([state, count]) => `${count} ${state}`);
  const levels = LEVELS.map((level) => {
    const { passed, of } = countLevel(results, level);
    return `${level.toUpperCase()} ${passed}/${of}`;
  });
  const verdict = isConformant(run) ? "conformant" : "not conformant";
  const seconds = (ms / 1000).toFixed(1);
  const about = `over ${environment.protocols.join(" and ")}, seed ${environment.seed}, ${seconds} s`;
  return visibleLine(`${verdict}: ${counts.join(", ")}; ${levels.join(", ")}; ${about}`);
}

/**
 * Returns a line for a case that has to be looked at; undefined for one that passed as expected and for one that the user
 * has disabled.
 */
export function caseLine(run: Pick<Run, "require">, result: CaseResult): string | undefined {
  const { state, level, name, protocol, reason = "", knownFailure } = result;
  if (state === "disabled" || (state === "passed" && knownFailure === undefined)) return undefined;
  if (state === "passed") {
    return visibleLine(
      `PASSED  ${level} ${protocol}  ${name}: it is in the list of known failures; remove it from there`,
    );
  }
  const word = failsRun(run, result) ? state.toUpperCase() : state;
  const known = knownFailure === undefined ? "" : ` (known: ${knownFailure})`;
  const line = visibleLine(`${word}  ${level} ${protocol}  ${name}: ${reason}${difference(result)}${known}`);
  return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)} …` : line;
}

function difference({ expected, actual }: CaseResult): string {
  const parts = [
    ...(expected === undefined ? [] : [`expected ${JSON.stringify(expected)}`]),
    ...(actual === undefined ? [] : [`got ${JSON.stringify(actual)}`]),
  ];
  return parts.length === 0 ? "" : `: ${parts.join(", ")}`;
}
