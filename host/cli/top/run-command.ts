import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { ownCommand } from "../../own-command.ts";

const MAX_ERROR = 200;

function command(words: readonly string[], stdio: StdioOptions): ChildProcess {
  return spawn(process.execPath, ownCommand(words), { stdio });
}

/** Runs a command of guestctl at this terminal; resolves with its exit code and its last error. */
export async function runAtTerminal(
  words: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly code: number; readonly error: string }> {
  const child = command(words, ["inherit", "inherit", "pipe"]);
  const end = () => child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  let error = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    process.stderr.write(chunk);
    error = `${error}${chunk}`.slice(-MAX_ERROR);
  });
  try {
    const [code] = await once(child, "close");
    return { code: typeof code === "number" ? code : 125, error: error.trim().split("\n").at(-1) ?? "" };
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** Runs a command of guestctl; each line of its output goes to `onLine`. Resolves with its error, undefined if it has none. */
export async function runForLines(
  words: readonly string[],
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<string | undefined> {
  const child = command(words, ["ignore", "pipe", "pipe"]);
  const end = () => child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  let error = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    error = `${error}${chunk}`.slice(0, MAX_ERROR);
  });
  if (child.stdout !== null) createInterface(child.stdout).on("line", onLine);
  try {
    const [code] = await once(child, "close");
    if (code === 0 || signal.aborted) return undefined;
    return error.trim().split("\n")[0] || `guestctl ${words[0]} ended with ${code}`;
  } finally {
    signal.removeEventListener("abort", end);
  }
}
