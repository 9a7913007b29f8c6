import { openSync } from "node:fs";
import type { Fd } from "../kernel.ts";

const MOUNTS = "/proc/self/mounts";

/**
 * Returns a function that gives the text of /proc/self/mounts. The text is kept until the kernel says that it changed
 * (proc(5): POLLPRI), because composing it takes the kernel longer than many a call takes.
 */
export function watchedMounts(changed: (fd: Fd) => boolean, read: (path: string) => string): () => string {
  let fd: Fd | undefined;
  let text: string | undefined;
  const isCurrent = () => {
    try {
      fd ??= openSync(MOUNTS, "r");
      return !changed(fd) && text !== undefined;
    } catch {
      return false; // no descriptor left for it: read each time
    }
  };
  return () => {
    // The question comes first: a change after it is seen by the next call.
    if (isCurrent() && text !== undefined) return text;
    text = undefined;
    text = read(MOUNTS);
    return text;
  };
}
