import type { Machine } from "./machine.ts";

/**
 * Returns the pid, as the machine counts, of the one process with this argument. `12[3]` is a pattern for 123 that
 * doesn't match itself. That another process ends meanwhile is no failure.
 */
export async function pidOfArgument(machine: Machine, pattern: string): Promise<number> {
  const found = await machine.shell(`grep -lzx '${pattern}' /proc/[0-9]*/cmdline 2> /dev/null; true`);
  const pid = /\/proc\/(\d+)\//.exec(found)?.[1];
  if (pid === undefined) throw new Error(`no process has the argument ${pattern}`);
  return Number(pid);
}
