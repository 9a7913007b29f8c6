import { SIGTERM } from "../../../agent/kernel/constants.ts";
import { nativeAddon } from "../../../agent/kernel/native-addon.ts";
import { isAlive, type ProcessOwner } from "../../../image/process-owner.ts";

/** Sends SIGTERM to a process through a pidfd, so that a later process with the same pid never gets it. */
export function terminate(owner: ProcessOwner): void {
  const { pidfdOpen, pidfdSendSignal, close } = nativeAddon();
  const pidfd = pidfdOpen(owner.pid);
  if (pidfd < 0) return;
  try {
    // The process is older than the pidfd, so the pidfd refers to it.
    if (isAlive(owner)) pidfdSendSignal(pidfd, SIGTERM);
  } finally {
    close(pidfd);
  }
}
