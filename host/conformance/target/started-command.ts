import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** A shell command that serves an agent. */
export interface StartedCommand {
  readonly child: ChildProcess;
  /** Returns the pid on this machine of the process that sees what the agent sees. */
  pid(): number;
  /** Ends the command in an emergency, without waiting. */
  readonly kill: () => void;
  /** Ends the command and removes all that was prepared for it. */
  end(): Promise<void>;
}

/** Resolves once the process has ended. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

/** Returns the first child of a process; undefined if it has none. */
export function firstChildOf(pid: number): number | undefined {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
  const first = Number(list.split(" ")[0]);
  return first > 1 ? first : undefined;
}

/** Starts a command whose output is read. */
export function spawnRead(program: string, args: readonly string[], env: NodeJS.ProcessEnv, detached = false) {
  return spawn(program, args, { env: { ...process.env, ...env }, detached, stdio: ["ignore", "pipe", "pipe"] });
}
