import { watch } from "node:fs";

/**
 * Has libuv watch its inotify descriptor from now on, not from the first watch of a file: libuv aborts the process when the
 * kernel refuses it a watch, as it does once a container has used up fs.epoll.max_user_watches. To be called before there is
 * a container. libuv keeps the descriptor for its life.
 */
export function openLoopWatches(): void {
  try {
    watch("/", () => undefined).close();
  } catch {
    // No inotify: whoever watches a file will be told.
  }
}
