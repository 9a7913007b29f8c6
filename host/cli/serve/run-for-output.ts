import { spawn } from "node:child_process";
import { once } from "node:events";
import { PROGRAM_VARIABLE } from "../../audit/audit.ts";
import { OperationError } from "../../operation-error.ts";
import { ownCommand } from "../../own-command.ts";
import { usualHeap } from "./small-heap.ts";

/** Most characters of output, and of an error, that are kept. */
const MAX_OUTPUT = 64 * 1024;

/**
 * Runs a command of this guestctl in a process of its own, and resolves with what it printed. Rejects with OperationError and
 * its line if it fails. A process that keeps a guest continues.
 */
export async function runForOutput(words: readonly string[], signal: AbortSignal): Promise<string> {
  const { execArgv, env } = usualHeap();
  const child = spawn(process.execPath, ownCommand(words, execArgv), {
    env: { ...env, [PROGRAM_VARIABLE]: "guestctl serve" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const end = () => void child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  let [output, error] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output = `${output}${text}`.slice(0, MAX_OUTPUT);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    error = `${error}${text}`.slice(-MAX_OUTPUT);
  });
  try {
    if (signal.aborted) end();
    const [code] = await once(child, "close");
    if (code === 0) return output;
    const line = error.trim().split("\n").at(-1) ?? "";
    throw new OperationError(line.replace(/^guestctl: /, "") || `guestctl ${words[0]} ended with ${code}`);
  } finally {
    signal.removeEventListener("abort", end);
  }
}
