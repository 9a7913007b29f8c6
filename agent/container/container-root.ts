import type { FileRoot } from "../kernel/files/contained-files.ts";
import type { Sys } from "../kernel/kernel.ts";
import type { Process } from "./process/process.ts";

/** Returns the root of a running process, with its mounts. */
export function containerRoot(sys: Pick<Sys, "signal">, container: string, process: Process): FileRoot {
  return { container, path: `/proc/${process.pid}/root`, isAlive: () => isAlive(sys, process) };
}

/** A reaped process has no signals; until then its pid is its own. */
function isAlive(sys: Pick<Sys, "signal">, { status, pidfd }: Process): boolean {
  if (status !== undefined) return false;
  try {
    sys.signal(pidfd, 0);
    return true;
  } catch {
    return false;
  }
}
