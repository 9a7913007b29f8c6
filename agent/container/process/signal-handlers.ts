import { SIGKILL, SIGTERM } from "../../kernel/constants.ts";
import type { Files } from "../../kernel/files.ts";
import type { Process } from "./process.ts";

/** By its pidfd. SIGTERM becomes SIGKILL for a container's first process that would not notice it. */
export function signalDirectly(files: Files, process: Process, signal: number, isInit: boolean): void {
  const deaf = isInit && signal === SIGTERM && hasNoHandler(files, process.pid, signal);
  process.signal(deaf ? SIGKILL : signal);
}

/**
 * Whether a signal would do nothing visible to a process: no handler, not blocked, not ignored. For the first process
 * of a pid namespace the kernel then drops it. Read from /proc/<pid>/status; a process that is gone has no handler.
 */
export function hasNoHandler(files: Files, pid: number, signal: number): boolean {
  try {
    const status = files.readText(`/proc/${pid}/status`);
    return ["SigBlk", "SigIgn", "SigCgt"].every((name) => {
      const mask = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0";
      return (BigInt(`0x${mask}`) & (1n << BigInt(signal - 1))) === 0n;
    });
  } catch {
    return true;
  }
}
