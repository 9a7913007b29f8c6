import { SIGTERM } from "../../agent/kernel/constants.ts";
import { nativeAddon } from "../../agent/kernel/sys/native-addon.ts";
import { isAlive, type ProcessOwner } from "../../lib/process-owner.ts";

/** Sends SIGTERM to it, by a pidfd: a process that has its pid by now never gets it. */
export function terminate(owner: ProcessOwner): void {
  const { pidfdOpen, pidfdSendSignal, close } = nativeAddon();
  const pidfd = pidfdOpen(owner.pid);
  if (pidfd < 0) return;
  try {
    // It runs since before the pidfd was opened, so that is its own.
    if (isAlive(owner)) pidfdSendSignal(pidfd, SIGTERM);
  } finally {
    close(pidfd);
  }
}
