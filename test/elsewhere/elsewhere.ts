import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isRoot } from "../../lib/is-root.ts";
import { SURROUNDINGS, type Surrounding } from "./surroundings.ts";

const PROJECTS = ["unit", "init", "guest", "nightly"] as const;
const repository = join(import.meta.dirname, "../..");
/** Shows the clone at another path, prepares, and runs the rest. The mounts end with it. */
const SCRIPT = `set -e
if [ "$CLONE" != "$REPOSITORY" ]; then mkdir -p "$CLONE"; mount --bind "$REPOSITORY" "$CLONE"; fi
cd "$CLONE"
eval "$PREPARE"
exec "$@"`;

interface Report {
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

interface Outcome {
  /** Names of tests and files, each with the first line of its error. */
  readonly failed: readonly string[];
  readonly passed: number;
  readonly skipped: number;
}

/**
 * Runs the parts of the suite that look at the machine in several surroundings, or in those whose names contain one of
 * the arguments, and prints a line for each and for every test that failed.
 */
async function main(chosen: readonly string[]): Promise<void> {
  if (!isRoot()) throw new Error("needs root, for mounts and other users; run it with sudo");
  const wanted = SURROUNDINGS.filter(({ name }) => chosen.length === 0 || chosen.some((word) => name.includes(word)));
  if (wanted.length === 0) throw new Error(`no surroundings named ${chosen.join(", ")}`);
  const gone = wanted
    .flatMap((one) => PROJECTS.flatMap((project) => one[project] ?? []))
    .filter((path) => !existsSync(join(repository, path)));
  if (gone.length > 0) throw new Error(`no ${gone.join(", ")}; correct surroundings.ts`);
  for (const surrounding of wanted) {
    const failed: string[] = [];
    const began = Date.now();
    let [passed, skipped] = [0, 0];
    for (const project of PROJECTS) {
      const files = surrounding[project];
      if (files === undefined) continue;
      const result = await run(surrounding, project, files);
      failed.push(...result.failed);
      passed += result.passed;
      skipped += result.skipped;
    }
    const minutes = Math.ceil((Date.now() - began) / 60_000);
    const counts = `${passed} tests passed, ${skipped} skipped, ${minutes} min`;
    process.stdout.write(`${failed.length === 0 ? "passed" : "FAILED"}  ${surrounding.name}: ${counts}\n`);
    for (const name of failed) process.stdout.write(`        ${name}\n`);
    if (failed.length > 0) process.exitCode = 1;
  }
}

/** Runs files in a surrounding. Returns the failed tests, and how many have passed. */
async function run(
  { below, prepare = "", words = [], env = {} }: Surrounding,
  project: string,
  files: readonly string[],
): Promise<Outcome> {
  // Not in /tmp: the place for temporary files is another one, too. Runs at a time have one each.
  const place = mkdtempSync("/var/tmp/elsewhere-");
  try {
    chmodSync(place, 0o755);
    const clone = below === undefined ? repository : join(place, below, "clone");
    const temporary = join(place, "tmp");
    mkdirSync(temporary, { mode: 0o700 });
    const output = join(temporary, "report.json");
    const node = process.execPath.replace(repository, clone);
    const vitest = [join(clone, "node_modules/vitest/vitest.mjs"), "run", "--project", project, ...files];
    const reporter = ["--reporter=json", `--outputFile=${output}`];
    // Not in a pid namespace: cgroups and folders of tests have the pid of their run, by which others find dead ones.
    const command = ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", ...words, node, ...vitest, ...reporter];
    const given = { REPOSITORY: repository, CLONE: clone, PREPARE: prepare, TMPDIR: temporary };
    const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...command], {
      env: { ...process.env, ...given, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let errors = "";
    child.stderr.on("data", (data: Buffer) => {
      errors = (errors + String(data)).slice(-4096);
    });
    await once(child, "close");
    return outcome(output, errors);
  } finally {
    rmSync(place, { recursive: true, force: true }); // the clone was mounted elsewhere
  }
}

function outcome(output: string, errors: string): Outcome {
  let report: Report;
  try {
    report = JSON.parse(readFileSync(output, "utf8")) as Report;
  } catch {
    return { failed: [`no report: ${errors.trim()}`], passed: 0, skipped: 0 };
  }
  const failed = report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const tests = assertionResults
      .filter((test) => test.status === "failed")
      .map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages?.[0]?.split("\n")[0]}`);
    return status === "failed" && tests.length === 0 ? [`${name}: ${message}`] : tests;
  });
  return { failed, passed: report.numPassedTests, skipped: report.numPendingTests };
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`test:elsewhere: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
