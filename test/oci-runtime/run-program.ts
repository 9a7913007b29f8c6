import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { SUITE } from "./suite.ts";
import { parseTap } from "./tap.ts";

export interface Outcome {
  readonly program: string;
  readonly passed: number;
  readonly skipped: number;
  /** Failed points; `PROGRAM` for a failure without a point. */
  readonly failed: readonly { readonly point: string; readonly detail: string }[];
  readonly seconds: number;
  readonly output: string;
}

/** Name of a failure that no test point reports. */
const PROGRAM = "(program)";
const LIMIT_SECONDS = 120;

/** Runs a validation program in the namespaces of the process `pid`. `env` names the runtime that it tests. */
export async function runProgram(
  program: string,
  pid: number,
  env: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const begun = performance.now();
  const namespaces = ["-t", String(pid), "-m", "-p", "-u", "-i", "-n", "-C", `--wd=${SUITE}`];
  const limited = ["timeout", "-k", "5", String(LIMIT_SECONDS), join(SUITE, program)];
  const child = spawn("nsenter", [...namespaces, ...limited], { stdio: ["ignore", "pipe", "pipe"], env: { ...env } });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  const seconds = (performance.now() - begun) / 1000;
  return { ...judge(program, stdout, stderr, Number(code)), seconds, output: `${stdout}${stderr}` };
}

/** Returns the outcome of a program from its TAP points and other output. */
export function judge(
  program: string,
  stdout: string,
  stderr: string,
  code: number,
): Omit<Outcome, "seconds" | "output"> {
  const { points, plan, notes } = parseTap(stdout);
  const counted = points.filter(({ skipped }) => !skipped);
  const failed = counted.filter(({ ok }) => !ok).map(({ text: point, detail }) => ({ point, detail }));
  const said = stderr.trim().split("\n").at(-1) ?? "";
  if (code === 124) failed.push({ point: PROGRAM, detail: `did not end within ${LIMIT_SECONDS} s` });
  else if (code !== 0) failed.push({ point: PROGRAM, detail: `exit code ${code}: ${said}` });
  else if (points.length === 0 && notes[0] !== undefined) failed.push({ point: PROGRAM, detail: notes[0] });
  else if (points.length > 0 && plan === undefined)
    failed.push({ point: PROGRAM, detail: "ended before its last point" });
  else if (points.length > 0 && plan !== points.length) {
    failed.push({ point: PROGRAM, detail: `${points.length} points of ${plan}` });
  }
  const passed = points.length === 0 && failed.length === 0 ? 1 : counted.filter(({ ok }) => ok).length;
  return { program, passed, skipped: points.length - counted.length, failed };
}
