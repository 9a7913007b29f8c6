import { openSync } from "node:fs";
import type { Fd } from "../kernel.ts";

const MOUNTS = "/proc/self/mounts";

/**
 * Returns a function that returns the text of /proc/self/mounts. Caches the text until the kernel reports a change (POLLPRI,
 * proc(5)), because generating it takes the kernel longer than many calls take.
 */
export function watchedMounts(changed: (fd: Fd) => boolean, read: (path: string) => string): () => string {
  let fd: Fd | undefined;
  let text: string | undefined;
  const isCurrent = () => {
    try {
      fd ??= openSync(MOUNTS, "r");
      return !changed(fd) && text !== undefined;
    } catch {
      return false; // out of descriptors: read each time
    }
  };
  return () => {
    // Checks before reading: the next call then sees a change made in between.
    if (isCurrent() && text !== undefined) return text;
    text = undefined;
    text = read(MOUNTS);
    return text;
  };
}
