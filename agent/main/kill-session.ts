import type { Files } from "../kernel/files.ts";

/** Those that die may have forked a moment before. */
const ROUNDS = 10;

/**
 * Sends SIGKILL to every process of a session until none runs. While the session has a process, the kernel reuses its
 * number for no other. Throws for the caller's own session and for numbers that mean several processes to the kernel.
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
        // It has ended by itself.
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

/** Of a process that has not died: undefined for others. */
function sessionOf({ readText }: Pick<Files, "readText">, pid: number): number | undefined {
  try {
    const text = readText(`/proc/${pid}/stat`);
    // The name before may have spaces and parentheses.
    const [state = "", , , session] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return "ZX".includes(state) ? undefined : Number(session);
  } catch {
    return undefined;
  }
}
