/** Number of calls by name. */
export type Counts = ReadonlyMap<string, number>;

const LINE = /^(\d+) +(.*)$/;
/** First half of a call. If another process's call comes in between, the second half is a line `<... NAME resumed>`. */
const CALL = /^(\w+)\(/;
const EXECUTED = /^(execve(at)?\(|<\.\.\. execve(at)? resumed>).*= 0$/;

/**
 * Counts the system calls in a log of `strace -f -o FILE`. `roles` names processes by pid; any other process is a
 * `child`, whose calls count until it has executed its program.
 */
export function countCalls(log: string, roles: ReadonlyMap<number, string>): Map<string, Counts> {
  const counts = new Map<string, Map<string, number>>();
  const executed = new Set<number>();
  for (const line of log.split("\n")) {
    const [, digits, text = ""] = LINE.exec(line) ?? [];
    const pid = Number(digits);
    const role = roles.get(pid) ?? "child";
    if (executed.has(pid)) continue;
    if (role === "child" && EXECUTED.test(text)) executed.add(pid);
    const name = CALL.exec(text)?.[1];
    if (name === undefined) continue;
    const its = counts.get(role) ?? new Map<string, number>();
    counts.set(role, its.set(name, (its.get(name) ?? 0) + 1));
  }
  return counts;
}
