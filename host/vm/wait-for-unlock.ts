import { closeSync, openSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { nativeAddon } from "../../agent/kernel/sys/native-addon.ts";
import { MachineError } from "./machine-error.ts";

/** Time limit in milliseconds for a QEMU that was killed: the kernel frees its guest's memory before it closes files. */
const LIMIT_MS = 50_000;
const POLL_MS = 50;

/**
 * Resolves once no other process has a disk locked, as QEMU does until its last thread is gone. Rejects with MachineError,
 * or with the signal's reason.
 */
export async function waitForUnlock(disk: string, signal?: AbortSignal, limitMs = LIMIT_MS): Promise<void> {
  const file = openSync(disk, "r");
  try {
    for (let waited = 0; nativeAddon().locked(file) === 1; waited += POLL_MS) {
      signal?.throwIfAborted();
      if (waited >= limitMs)
        throw new MachineError(`${disk}: another QEMU writes to it; kill that one, then repeat this`);
      await delay(POLL_MS);
    }
  } finally {
    closeSync(file);
  }
}
