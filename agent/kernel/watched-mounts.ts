import { closeSync, openSync } from "node:fs";
import type { Fd, Sys } from "./kernel.ts";

const MOUNTS = "/proc/self/mounts";

/**
 * The text of /proc/self/mounts, read again only after the kernel has said that it changed (proc(5): POLLPRI): making it
 * takes the kernel longer than many a call. A change is seen from the next turn of the event loop on.
 */
export function watchedMounts(sys: Pick<Sys, "poll">, read: (path: string) => string): () => string {
  let fd: Fd | undefined;
  let watching = false;
  let text: string | undefined;

  const forget = () => {
    watching = false;
    text = undefined;
  };
  const watch = (watched: Fd) => {
    watching = true;
    sys.poll(watched, "priority").then(forget, () => {
      forget();
      closeSync(watched);
      fd = undefined;
    });
    // libuv asks the kernel in its next turn, and is not told what changed before: what is kept is read after that turn.
    setImmediate(() =>
      setImmediate(() => {
        if (watching) text = read(MOUNTS);
      }),
    );
  };

  return () => {
    if (text !== undefined) return text;
    fd ??= openSync(MOUNTS, "r");
    if (!watching) watch(fd);
    return read(MOUNTS);
  };
}
