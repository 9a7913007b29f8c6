import type { DebianSession } from "../nightly/testing/debian-session.ts";

/** One thing that the user does in the first hour: a few lines of shell, and the output that shows their success. */
export interface HourStep {
  /** The command in short, for the table. */
  readonly name: string;
  /** Promise that its success shows. */
  readonly shows: string;
  /** Lines of bash, run with `-euo pipefail` at the user's home. What they leave in the background runs on only if it detaches. */
  readonly script: string;
  /** The whole of stdout, or a pattern of it. */
  readonly prints: string | RegExp;
  /** The whole of stderr, or a pattern of it: nothing, unless given. */
  readonly warns?: string | RegExp;
  /** Seconds after which it counts as hanging (300). */
  readonly limit?: number;
}

/** A step that was done. */
export interface DoneStep extends HourStep {
  readonly seconds: number;
  /** Why it failed; undefined if it succeeded. */
  readonly failure?: string;
}

/** Ends the script's background jobs with it: a forward, a server. */
const PREAMBLE = `set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
`;

/** Does a step as the user. Never rejects for what the step does. */
export async function doStep(session: DebianSession, step: HourStep): Promise<DoneStep> {
  const { limit = 300, warns = "" } = step;
  const { status, stdout, stderr, elapsed } = await session.run(limit, "bash", "-c", PREAMBLE + step.script);
  const faults = [
    ...(status === 0 ? [] : [`status ${status}${status === 124 ? `: not done after ${limit} s` : ""}`]),
    ...differs("stdout", step.prints, stdout),
    ...differs("stderr", warns, stderr),
  ];
  if (faults.length === 0) return { ...step, seconds: elapsed };
  return { ...step, seconds: elapsed, failure: `${faults.join("\n")}\n${seen({ stdout, stderr })}` };
}

function differs(name: string, expected: string | RegExp, found: string): readonly string[] {
  const equal = typeof expected === "string" ? expected === found : expected.test(found);
  return equal ? [] : [`${name} expected: ${typeof expected === "string" ? JSON.stringify(expected) : expected}`];
}

/** Formats the end of what the step printed. */
function seen(outputs: Readonly<Record<string, string>>): string {
  return Object.entries(outputs)
    .filter(([, text]) => text !== "")
    .map(([name, text]) => `${name} seen: ${text.slice(-3000)}`)
    .join("\n");
}
