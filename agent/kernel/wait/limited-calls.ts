import { AgentError } from "../error.ts";

/** Of libuv's four threads: the others stay for what can't hang. */
const MOST = 2;
/** How long a question waits for its turn, in ms: those before it are answered at once, or never. */
const PATIENCE_MS = 1000;

/**
 * Questions to file systems that others have to answer. Each takes a thread until it is answered, so no more than a few are
 * asked at a time; one that waits too long for its turn is refused, and the line names what does not answer.
 */
export class HangingCalls {
  readonly #most: number;
  readonly #patienceMs: number;
  readonly #paths = new Set<{ readonly path: string }>();
  readonly #waiting = new Set<() => void>();

  constructor(most = MOST, patienceMs = PATIENCE_MS) {
    this.#most = most;
    this.#patienceMs = patienceMs;
  }

  async run<T>(path: string, call: () => Promise<T>): Promise<T> {
    if (this.#paths.size >= this.#most) await this.#turn(path);
    const asked = { path };
    this.#paths.add(asked);
    try {
      return await call();
    } finally {
      this.#paths.delete(asked);
      const [next = () => undefined] = this.#waiting;
      this.#waiting.delete(next);
      next();
    }
  }

  async #turn(path: string): Promise<void> {
    const deadline = performance.now() + this.#patienceMs;
    while (this.#paths.size >= this.#most) {
      const left = deadline - performance.now();
      if (left <= 0) throw this.#refusal(path);
      await this.#anyEnds(left);
    }
  }

  /** Or the time is over. */
  async #anyEnds(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }

  #refusal(path: string): AgentError {
    const hung = [...this.#paths].map((asked) => asked.path).join(", ");
    return new AgentError("unavailable", `${path}: not asked, as other file systems do not answer: ${hung}`);
  }
}

const calls = new HangingCalls();

/** As HangingCalls.run, with all others of this agent. */
export function mayHang<T>(path: string, call: () => Promise<T>): Promise<T> {
  return calls.run(path, call);
}
