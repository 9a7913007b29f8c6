import { AgentError } from "../error.ts";

/** Threads for such calls, of libuv's four: the others stay free for calls that can't hang. */
const MAX_CALLS = 2;
/** How long a call waits for a free slot: those before it return at once, or never. */
const PATIENCE_MS = 1000;

/**
 * Limits concurrent calls into file systems served by another party (virtio-fs, FUSE). Each call holds a libuv thread until
 * it returns. A call that waits too long for a free slot fails with "unavailable" and names the paths that don't respond.
 */
export class LimitedCalls {
  readonly #most: number;
  readonly #patienceMs: number;
  readonly #running = new Set<{ readonly path: string }>();
  readonly #waiting = new Set<() => void>();

  constructor(most = MAX_CALLS, patienceMs = PATIENCE_MS) {
    this.#most = most;
    this.#patienceMs = patienceMs;
  }

  async run<T>(path: string, call: () => Promise<T>): Promise<T> {
    if (this.#running.size >= this.#most) await this.#waitForSlot(path);
    const entry = { path };
    this.#running.add(entry);
    try {
      return await call();
    } finally {
      this.#running.delete(entry);
      const [next = () => undefined] = this.#waiting;
      this.#waiting.delete(next);
      next();
    }
  }

  async #waitForSlot(path: string): Promise<void> {
    const deadline = performance.now() + this.#patienceMs;
    while (this.#running.size >= this.#most) {
      const left = deadline - performance.now();
      if (left <= 0) throw this.#refusal(path);
      await this.#anyEnds(left);
    }
  }

  /** Resolves when a call returns, or after `ms`. */
  async #anyEnds(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }

  #refusal(path: string): AgentError {
    const hung = [...this.#running].map((entry) => entry.path).join(", ");
    return new AgentError("unavailable", `${path}: not accessed because other file systems don't respond: ${hung}`);
  }
}

const calls = new LimitedCalls();

/** Runs a call under the limit shared by the whole agent; see LimitedCalls. */
export function runLimited<T>(path: string, call: () => Promise<T>): Promise<T> {
  return calls.run(path, call);
}
