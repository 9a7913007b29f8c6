import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { reason } from "../../../lib/reason.ts";

const LIMIT_MS = 30_000;

/** Ways to kill the agent: a shell command, in which `{pid}` is replaced by `pid`, or SIGKILL to a pid. */
export interface RestartOptions {
  readonly command?: string;
  readonly pid?: number;
}

/** Returns the function that kills the agent; undefined if neither way is given. `started` is a started agent's pid. */
export function restartBy({ command, pid }: RestartOptions, started?: () => number): (() => Promise<void>) | undefined {
  if (command !== undefined) return () => run(command.replaceAll("{pid}", String(started?.() ?? pid ?? "{pid}")));
  if (pid === undefined) return undefined;
  return async () => {
    process.kill(pid, "SIGKILL");
  };
}

async function run(command: string): Promise<void> {
  try {
    await promisify(execFile)("/bin/sh", ["-c", command], { timeout: LIMIT_MS });
  } catch (error) {
    throw new Error(`restart the agent by ${JSON.stringify(command)}: ${reason(error)}`, { cause: error });
  }
}
