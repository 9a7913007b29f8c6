import { watch as fsWatch } from "node:fs";
import { AgentError } from "../../kernel/error.ts";
import type { Files } from "../../kernel/files.ts";

/** Interval for reading a file that can't be watched. */
const POLL_MS = 1000;

export interface OomWatch {
  /**
   * Reads the counter now and calls the listener if it grew. For a container that ends: the notification of its last
   * event may still be pending.
   */
  check(): void;
  /** Counter when it was last read; pass it to the next watch as `seen`. */
  readonly total: number;
  /** Ends the watch; the listener isn't called afterwards. */
  close(): void;
}

export interface OomWatchOptions {
  /**
   * Count that a previous agent already reported; anything above it is reported at once. Default: the current count.
   */
  readonly seen?: number | undefined;
  readonly file?: string;
  readonly key?: string;
  /**
   * Calls `changed` at each kernel notification about the file; throws if it can't watch. Then the file is read every
   * second.
   */
  readonly watch?: (path: string, changed: () => void) => { close(): void };
}

/**
 * Watches `oom_kill` in a cgroup's memory.events, which includes the cgroups below. Calls the listener for each
 * observed increase, with its size (the kernel notifies at most every 10 ms). Throws one line if the cgroup has no
 * memory controller. The watch ends silently when the cgroup is removed.
 */
export function watchOom(
  files: Files,
  directory: string,
  listener: (kills: number) => void,
  options: OomWatchOptions = {},
): OomWatch {
  const { file = "memory.events", key = "oom_kill", watch = watchFile } = options;
  const path = `${directory}/${file}`;
  const line = new RegExp(`^${key} (\\d+)$`, "m");
  const read = (): number | undefined => {
    try {
      const digits = line.exec(files.readText(path))?.[1];
      return digits === undefined ? undefined : Number(digits);
    } catch {
      return undefined;
    }
  };
  const first = read();
  if (first === undefined) {
    throw new AgentError("failed-precondition", `watch ${key} of ${path}: the cgroup has no such counter`);
  }
  let total = options.seen ?? first;
  let closed = false;
  const check = () => {
    const now = closed ? undefined : read();
    if (now === undefined || now === total) return;
    const kills = now - total;
    total = now;
    if (kills > 0) listener(kills);
  };
  const watcher = watchOrPoll(path, check, watch);
  // Catches a change between the first read and the start of the watch.
  check();
  return {
    check,
    get total() {
      return total;
    },
    close() {
      if (closed) return;
      closed = true;
      watcher.close();
    },
  };
}

/** Falls back to polling: inotify watches are a limited kernel resource, and a container must work without one. */
function watchOrPoll(path: string, check: () => void, watch: NonNullable<OomWatchOptions["watch"]>) {
  try {
    return watch(path, check);
  } catch {
    const timer = setInterval(check, POLL_MS).unref();
    return { close: () => clearInterval(timer) };
  }
}

/** Watches by inotify, which works for cgroup files as for any other. Never keeps the process alive. */
function watchFile(path: string, changed: () => void): { close(): void } {
  const watcher = fsWatch(path, { persistent: false }, changed);
  // The file was removed with its cgroup.
  watcher.on("error", () => watcher.close());
  return watcher;
}
