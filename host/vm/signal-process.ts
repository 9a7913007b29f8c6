import { constants } from "node:os";
import { nativeAddon } from "../../agent/kernel/sys/native-addon.ts";
import { isAlive, type ProcessOwner } from "../../lib/process-owner.ts";

const READABLE = 1;

/** Sends a signal to a process through a pidfd, so that a later process with the same pid never gets it. */
export function signalProcess(owner: ProcessOwner, signal: NodeJS.Signals): void {
  if (!isAlive(owner)) return;
  const { pidfdOpen, pidfdSendSignal, close } = nativeAddon();
  const pidfd = pidfdOpen(owner.pid);
  if (pidfd < 0) return;
  try {
    // The process is older than the pidfd, so the pidfd refers to it.
    if (isAlive(owner)) pidfdSendSignal(pidfd, constants.signals[signal]);
  } finally {
    close(pidfd);
  }
}

/** Resolves when a process, which needn't be a child of this one, has ended. */
export async function whenEnded(owner: ProcessOwner): Promise<void> {
  const { Poll, pidfdOpen, close } = nativeAddon();
  const pidfd = pidfdOpen(owner.pid);
  if (pidfd < 0) return;
  if (!isAlive(owner)) return void close(pidfd);
  await new Promise<void>((resolve) => {
    const poll = new Poll(pidfd, () => {
      poll.close();
      close(pidfd);
      resolve();
    });
    poll.start(READABLE);
  });
}
