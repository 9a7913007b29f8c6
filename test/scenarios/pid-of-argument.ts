import type { Machine } from "./machine.ts";

/** Of the one process, as the machine counts, that has this argument; `12[3]` is a pattern for 123 that does not find itself. */
export async function pidOfArgument(machine: Machine, pattern: string): Promise<number> {
  const found = await machine.shell(`grep -lzx '${pattern}' /proc/[0-9]*/cmdline 2> /dev/null`);
  const pid = /\/proc\/(\d+)\//.exec(found)?.[1];
  if (pid === undefined) throw new Error(`no process has the argument ${pattern}`);
  return Number(pid);
}
