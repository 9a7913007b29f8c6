import type { Files } from "../kernel/files.ts";

/** A process may fork just before it is killed. */
const ROUNDS = 10;

/**
 * Sends SIGKILL to every process of a session until none is left. The kernel doesn't reuse a session's number while it has a process.
 * Throws for the caller's own session and for numbers that address several processes.
 */
export function killSession(files: Pick<Files, "list" | "readText">, session: number): void {
  if (!Number.isInteger(session) || session <= 1 || session === sessionOf(files, process.pid)) {
    throw new Error(`kill session ${session}: not a session that the agent has started`);
  }
  for (let round = 0; round < ROUNDS; round++) {
    const members = membersOf(files, session);
    if (members.length === 0) return;
    for (const pid of members) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // The process has already ended.
      }
    }
  }
}

function membersOf(files: Pick<Files, "list" | "readText">, session: number): number[] {
  return files
    .list("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && sessionOf(files, pid) === session);
}

/** Returns the session of a running process; undefined for a zombie or one that doesn't exist. */
function sessionOf({ readText }: Pick<Files, "readText">, pid: number): number | undefined {
  try {
    const text = readText(`/proc/${pid}/stat`);
    // The process name before it may contain spaces and parentheses.
    const [state = "", , , session] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return "ZX".includes(state) ? undefined : Number(session);
  } catch {
    return undefined;
  }
}
