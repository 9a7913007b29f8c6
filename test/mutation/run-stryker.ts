import { runInSandbox } from "./sandbox.ts";
import type { Report } from "./score.ts";

const REPORT = "/tmp/mutation.json";
const RUN = `printf %s "$1" >/tmp/stryker.json
node node_modules/@stryker-mutator/core/bin/stryker.js run /tmp/stryker.json >&2
exec cat ${REPORT}`;

/**
 * Mutates files, or lines of them (FILE:FIRST-LAST), one mutant at a time, in a sandbox with a copy of `tree`, and returns which ones a test
 * noticed. Progress goes to standard error. Rejects if a test fails without a mutation.
 */
export async function runStryker(tree: string, parts: readonly string[], signal?: AbortSignal): Promise<Report> {
  const options = JSON.stringify(strykerOptions(parts));
  const { code, stdout } = await runInSandbox(tree, ["/bin/sh", "-c", RUN, "sh", options], signal);
  if (code !== 0) throw new Error(`mutation run: no report (exit code ${code}); see the reason above`);
  return JSON.parse(stdout) as Report;
}

function strykerOptions(parts: readonly string[]) {
  const files = [...new Set(parts.map((part) => part.replace(/:\d+-\d+$/, "")))];
  return {
    testRunner: "vitest",
    // The tests count descriptors and signal processes: each file has a process of its own.
    vitest: { configFile: "test/mutation/vitest.config.ts", pool: "forks" },
    mutate: parts,
    // Each pattern of `mutate` is compared with each file that isn't ignored.
    ignorePatterns: ["**", ...files.map((file) => `!/${file}`)],
    // The sandbox has a copy already.
    inPlace: true,
    tempDirName: "/tmp/stryker",
    disableTypeChecks: false,
    // A mutant that is evaluated when its module is loaded would need all tests in a fresh process.
    ignoreStatic: true,
    concurrency: 2,
    timeoutMS: 10_000,
    dryRunTimeoutMinutes: 15,
    reporters: ["json", "progress-append-only"],
    jsonReporter: { fileName: REPORT },
    allowConsoleColors: false,
    warnings: false,
  };
}
