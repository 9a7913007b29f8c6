import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const MAX_ERROR = 200;

/** Selects an agent for a command of guestctl. */
export type Place = readonly string[];

function command(words: readonly string[], stdio: "inherit" | "pipe"): ChildProcess {
  const [script = ""] = process.argv.slice(1);
  return spawn(process.execPath, [...process.execArgv, script, ...words], {
    stdio: stdio === "inherit" ? "inherit" : ["ignore", "pipe", "pipe"],
  });
}

/** Runs a command of guestctl at this terminal; resolves with its exit code. */
export async function runAtTerminal(words: readonly string[], signal: AbortSignal): Promise<number> {
  const child = command(words, "inherit");
  const end = () => child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  try {
    const [code] = await once(child, "close");
    return typeof code === "number" ? code : 125;
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
  const child = command(words, "pipe");
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
