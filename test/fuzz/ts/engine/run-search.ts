import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeWorkDirectory, WORK } from "../../../clean-up/work-directory.ts";
import { digestName } from "./digest-name.ts";
import type { Job, Outcome } from "./job.ts";

/** Limit for one input, in ms of wall time; generous, because the machine may be busy. */
const MOST_MS = 30_000;
/** Heap limit of a target, in MiB. The agent's own is 64. */
const MOST_HEAP = 160;

export interface SearchRun extends Outcome {
  /** File with the input that broke the promise. */
  readonly file?: string;
}

/** Searches in a separate process. Any end of that process, even a crash, becomes an outcome. */
export async function runSearch(
  program: string,
  job: Pick<Job, "target" | "kept" | "seconds" | "seed" | "grow">,
): Promise<SearchRun> {
  const work = makeWorkDirectory(`fuzz-${job.target}`);
  const [file, outcome, current] = [join(work, "job"), join(work, "outcome"), join(work, "current")];
  try {
    writeFileSync(file, JSON.stringify({ ...job, outcome, current } satisfies Job));
    const end = await runChild(program, file, current);
    const result = existsSync(outcome) ? (JSON.parse(readFileSync(outcome, "utf8")) as Outcome) : died(current, end);
    return result.finding === undefined ? result : { ...result, file: keep(job.target, result.finding.input) };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function runChild(program: string, job: string, current: string): Promise<string> {
  const flags = [`--max-old-space-size=${MOST_HEAP}`, "--stack-size=984", "--enable-source-maps"];
  const child = spawn(process.execPath, [...flags, program, job], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => (text = (text + chunk).slice(-4000)));
  let [last, since] = [-1, Date.now()];
  const watch = setInterval(() => {
    const now = executionsIn(current);
    if (now !== last) [last, since] = [now, Date.now()];
    else if (Date.now() - since > MOST_MS) {
      text += `one input takes more than ${MOST_MS} ms`;
      child.kill("SIGKILL");
    }
  }, 1000);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearInterval(watch);
      resolve(`the process ended with ${signal ?? code}: ${text}`);
    });
  });
}

function executionsIn(path: string): number {
  if (!existsSync(path)) return 0;
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(8);
    readSync(fd, head, 0, 8, 0);
    return head.readDoubleLE();
  } finally {
    closeSync(fd);
  }
}

/** Returns the outcome of a process that died: the input that it was running is the finding. */
function died(current: string, end: string): Outcome {
  const bytes = existsSync(current) ? readFileSync(current) : Buffer.alloc(0);
  if (bytes.length < 12) throw new Error(`fuzz: ${end}`);
  const input = bytes.subarray(12, 12 + bytes.readUInt32LE(8)).toString("base64");
  return { executions: bytes.readDoubleLE(), inputs: 0, reached: [], finding: { error: end, input } };
}

function keep(target: string, input: string): string {
  const bytes = Buffer.from(input, "base64");
  const file = join(WORK, `fuzz-${target}-${digestName(bytes)}`);
  writeFileSync(file, bytes);
  return file;
}
