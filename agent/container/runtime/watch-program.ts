import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Process } from "../process/process.ts";

/** After that the runtime's own program is taken for the container's. */
const LIMIT_MS = 5000;

/**
 * Looks at which program a process runs; the function that comes back waits until it is another one, or none. A runtime
 * says that it has started a container a moment before execve, when signals would still meet the runtime's handlers.
 */
export function watchProgram(process: Process): (signal: AbortSignal) => Promise<void> {
  const before = programOf(process.pid);
  return async (signal) => {
    const deadline = performance.now() + LIMIT_MS;
    for (let pause = 1; process.status === undefined && performance.now() < deadline; pause = Math.min(pause * 2, 20)) {
      if (programOf(process.pid) !== before) return;
      await sleep(pause, undefined, { signal });
    }
  };
}

/** Device and inode of the program; undefined when the process is gone. */
function programOf(pid: number): string | undefined {
  try {
    const { dev, ino } = statSync(`/proc/${pid}/exe`);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
