import { setTimeout as sleep } from "node:timers/promises";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Files } from "../../kernel/files.ts";

/** Processes freeze on their next return to user space; one blocked in the kernel takes longer. */
const FREEZE_MS = 10_000;

/**
 * Freezes or thaws all processes of the cgroup and of those below it; resolves when the kernel reports completion. If
 * they aren't frozen within `timeoutMs`, or if `signal` aborts, it thaws them again and rejects.
 */
export async function setFrozen(
  files: Files,
  directory: string,
  frozen: boolean,
  signal?: AbortSignal,
  timeoutMs = FREEZE_MS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  write(files, directory, frozen);
  try {
    for (let pause = 1; !hasState(files, directory, frozen); pause = Math.min(pause * 2, 50)) {
      if (performance.now() >= deadline) {
        const what = frozen ? "freeze" : "thaw";
        throw new AgentError(
          "internal",
          `${what} cgroup ${directory}: the kernel did not finish within ${timeoutMs} ms`,
        );
      }
      await sleep(pause, undefined, { signal });
    }
  } catch (error) {
    if (frozen) write(files, directory, false);
    throw signal?.aborted ? signal.reason : error;
  }
}

/** True if a freeze was requested, even if some processes aren't frozen yet. */
export function isFrozen(files: Files, directory: string): boolean {
  try {
    return files.readText(`${directory}/cgroup.freeze`).trim() === "1";
  } catch {
    return false;
  }
}

function hasState(files: Files, directory: string, frozen: boolean): boolean {
  const state = /^frozen ([01])$/m.exec(files.readText(`${directory}/cgroup.events`))?.[1];
  return state === (frozen ? "1" : "0");
}

function write(files: Files, directory: string, frozen: boolean): void {
  const path = `${directory}/cgroup.freeze`;
  try {
    files.writeText(path, frozen ? "1" : "0");
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    throw errno === undefined ? error : new SystemError("write", -errno, path);
  }
}
