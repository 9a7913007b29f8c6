import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { reason } from "../../../lib/reason.ts";
import { killReplaced } from "./replaced-process.ts";

const LIMIT_MS = 30_000;

/**
 * Ways to kill the agent: a shell command, in which `{pid}` is replaced by `pid`, or SIGKILL to a pid, later to the process that
 * has replaced it.
 */
export interface RestartOptions {
  readonly command?: string | undefined;
  readonly pid?: number | undefined;
}

/**
 * Returns the function that kills the agent; undefined if neither way is given. `started` is a started agent's pid. Throws if no
 * process has the given pid.
 */
export function restartBy({ command, pid }: RestartOptions, started?: () => number): (() => Promise<void>) | undefined {
  if (command !== undefined) return () => run(command.replaceAll("{pid}", String(started?.() ?? pid ?? "{pid}")));
  if (pid === undefined) return undefined;
  const kill = killReplaced(pid);
  return async () => kill();
}

async function run(command: string): Promise<void> {
  try {
    await promisify(execFile)("/bin/sh", ["-c", command], { timeout: LIMIT_MS });
  } catch (error) {
    throw new Error(`restart the agent by ${JSON.stringify(command)}: ${reason(error)}`, { cause: error });
  }
}
