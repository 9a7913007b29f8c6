import { readdirSync, readFileSync } from "node:fs";
import { isAlive, type ProcessOwner, startedAt } from "../../../lib/process-owner.ts";

/** A process by which its replacement is recognised: another child of its parent with the same command line. */
interface ReplaceableProcess extends ProcessOwner {
  readonly parent: number;
  readonly command: string;
}

/**
 * Returns a function that sends SIGKILL to a process, and to the one that has replaced it since the last call. Throws if no
 * process has this pid.
 */
export function killReplaced(pid: number): () => void {
  const first = processOf(pid);
  if (first === undefined) throw new Error(`kill the agent: no process has the pid ${pid}; check --pid`);
  let current = first;
  return () => {
    // Another process may have the pid of one that has ended.
    if (!isAlive(current)) current = replacementOf(current);
    process.kill(current.pid, "SIGKILL");
  };
}

function replacementOf({ pid, parent, command }: ReplaceableProcess): ReplaceableProcess {
  const same = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processOf(Number(name)))
    .filter((one) => one?.parent === parent && one.command === command);
  const [next] = same;
  if (next !== undefined && same.length === 1) return next;
  throw new Error(
    `kill the agent: process ${pid} has ended, and its parent ${parent} has ${same.length} children with its command line; give --restart`,
  );
}

/** Returns undefined if the process has ended. */
function processOf(pid: number): ReplaceableProcess | undefined {
  const started = startedAt(pid);
  if (started === undefined) return undefined;
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const command = readFileSync(`/proc/${pid}/cmdline`, "latin1");
    return { pid, started, parent: Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]), command };
  } catch {
    return undefined;
  }
}
