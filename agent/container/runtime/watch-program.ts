import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Process } from "../process/process.ts";

/** After this time the runtime's own program is assumed to be the container's. */
const LIMIT_MS = 5000;

/**
 * Notes which program a process runs; the returned function waits until it runs another or ends. A runtime reports a
 * container as started just before execve, when signals would still reach the runtime's handlers.
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

/** Device and inode of the program; undefined if the process is gone. */
function programOf(pid: number): string | undefined {
  try {
    const { dev, ino } = statSync(`/proc/${pid}/exe`);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
