import { watch as fsWatch } from "node:fs";
import { AgentError } from "../../kernel/error.ts";
import type { Files } from "../../kernel/files.ts";

/** Between two looks at a file that can't be watched. */
const POLL_MS = 1000;

export interface OomWatch {
  /** Reads the counter now and calls the listener if it grew: when a container ends, its last event may still be under way. */
  check(): void;
  /** What the counter was when it was last read; give it to the next watch as `seen`. */
  readonly total: number;
  /** No call comes after it. */
  close(): void;
}

export interface OomWatchOptions {
  /** Counter that was already told of, by an agent before this one; what is beyond it is told at once. Default: what it is now. */
  readonly seen?: number;
  readonly file?: string;
  readonly key?: string;
  /** Calls `changed` whenever the kernel notifies of the file; throws when it can't. Then the file is read every second. */
  readonly watch?: (path: string, changed: () => void) => { close(): void };
}

/**
 * Watches `oom_kill` of a cgroup's memory.events, which counts the cgroups below as well. The listener is called once for
 * each increase that is seen, with its size (the kernel tells of changes at most every 10 ms). Throws one line when the
 * cgroup has no memory controller. It ends by itself, in silence, when the cgroup goes.
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
  // A change between the first read and the watch.
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

/** Watches cost kernel resources that may be used up; a container can do without them. */
function watchOrPoll(path: string, check: () => void, watch: NonNullable<OomWatchOptions["watch"]>) {
  try {
    return watch(path, check);
  } catch {
    const timer = setInterval(check, POLL_MS).unref();
    return { close: () => clearInterval(timer) };
  }
}

/** inotify: the kernel notifies of cgroup files as of any other. Never keeps the process alive. */
function watchFile(path: string, changed: () => void): { close(): void } {
  const watcher = fsWatch(path, { persistent: false }, changed);
  // The file went with its cgroup.
  watcher.on("error", () => watcher.close());
  return watcher;
}
