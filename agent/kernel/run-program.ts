import { execFile } from "node:child_process";
import { writeFile } from "node:fs";
import { AgentError } from "./error.ts";
import { reserveWatches } from "./sys/streams.ts";

const LIMIT_MS = 30_000;
const MAX_OUTPUT = 4 << 20;
const MAX_LINE = 300;
const ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

export interface ProgramOptions {
  /** Content of stdin; empty by default. */
  readonly input?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** Defaults to 30 s. */
  readonly limitMs?: number;
}

/**
 * Runs a guest program to its end and resolves with its stdout, at most 4 MiB. Rejects with one line that contains the last
 * line of its stderr; the whole stderr is in the error's field `stderr`. Kills the program if `signal` aborts or time runs out.
 */
export function runProgram(path: string, args: readonly string[], options: ProgramOptions = {}): Promise<Buffer> {
  const { input = "", signal, limitMs = LIMIT_MS } = options;
  return new Promise((resolve, reject) => {
    const settings = { env: ENV, cwd: "/", maxBuffer: MAX_OUTPUT, timeout: limitMs, encoding: "buffer" } as const;
    const limits = { ...settings, killSignal: "SIGKILL", signal } as const;
    const child = execFile(path, args, limits, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (signal?.aborted) reject(signal.reason);
      else reject(failure(`${path}: ${reasonOf(error, stderr, limitMs)}`, error, stderr));
    });
    // It inherits the agent's protected OOM score. The write fails if it has already ended.
    if (child.pid !== undefined) writeFile(`/proc/${child.pid}/oom_score_adj`, "0", { flag: "r+" }, () => undefined);
    child.stdin?.on("error", () => undefined); // it ended without reading all of its input
    if (!reserveWatches([child.stdin, child.stdout, child.stderr])) {
      child.kill("SIGKILL");
      reject(new AgentError("resource-exhausted", `${path}: the kernel refused to watch its output`));
      return;
    }
    child.stdin?.end(input);
  });
}

function failure(line: string, cause: Error, stderr: Buffer): AgentError {
  return new AgentError("internal", line, { cause, fields: { stderr: stderr.toString() } });
}

function reasonOf(error: Error & { code?: unknown; killed?: unknown }, stderr: Buffer, limitMs: number): string {
  if (error.code === "ENOENT") return "the image has no such program";
  if (error.code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return `it wrote more than ${MAX_OUTPUT} bytes`;
  if (error.killed === true) return `it didn't finish within ${limitMs} ms`;
  const line = stderr.toString().trim().split("\n").at(-1)?.trim() ?? "";
  const how = typeof error.code === "number" ? `exit code ${error.code}` : error.message;
  return line === "" ? how : `${line.slice(0, MAX_LINE)} (${how})`;
}
