import { watch } from "node:fs";

/**
 * Makes libuv add its inotify descriptor to epoll now instead of at the first file watch: libuv aborts the process if the
 * kernel refuses, as it does once a container has exhausted fs.epoll.max_user_watches. Must be called before any container
 * exists. libuv keeps the descriptor for the life of the process.
 */
export function openLoopWatches(): void {
  try {
    watch("/", () => undefined).close();
  } catch {
    // Without inotify, later file watches fail with their own errors.
  }
}
