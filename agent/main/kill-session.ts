import type { Files } from "../kernel/files.ts";

/** Those that die may have forked a moment before. */
const ROUNDS = 10;

/**
 * SIGKILL to all processes of a session, until none is left that runs. As long as it has one, the kernel gives its number to
 * nobody else.
 */
export function killSession(files: Pick<Files, "list" | "readText">, session: number): void {
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
