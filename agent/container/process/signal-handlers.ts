import { SIGKILL, SIGTERM } from "../../kernel/constants.ts";
import type { Files } from "../../kernel/files.ts";
import type { Process } from "./process.ts";

/** Signals a process by its pidfd. SIGTERM becomes SIGKILL for a container's init process that would not notice it. */
export function signalDirectly(files: Files, process: Process, signal: number, isInit: boolean): void {
  const deaf = isInit && signal === SIGTERM && hasNoHandler(files, process.pid, signal);
  process.signal(deaf ? SIGKILL : signal);
}

/**
 * True if a process neither handles, blocks nor ignores a signal. The kernel drops such a signal to the first process
 * of a pid namespace. Reads /proc/<pid>/status; a process that has ended has no handler.
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
