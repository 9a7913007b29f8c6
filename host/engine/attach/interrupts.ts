import { constants } from "node:os";
import { OperationError } from "../../operation-error.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type Caught = (typeof SIGNALS)[number];

/** Number of the signal that leaves an agent that doesn't answer. */
export const LEAVE_AT = 4;

/**
 * Milliseconds after a SIGTERM or SIGHUP until guestctl gives up, since programs send only one. An agent that answers has
 * killed and removed the container long before.
 */
const GIVE_UP_MS = 60_000;

/** Thrown when a signal ends the command; `exitCode` is the one that shells expect. */
export class Interrupted extends OperationError {
  constructor(name: Caught) {
    super(`ended by ${name}`, { exitCode: 128 + constants.signals[name] });
  }
}

/**
 * Handles SIGINT, SIGTERM and SIGHUP of this process, or of a source that stands for it: they abort `signal`, or go to the
 * `handle` callback once one is set. GIVE_UP_MS after a SIGTERM or SIGHUP the callback is called again, with an infinite count.
 */
export class Interrupts implements Disposable {
  readonly #abort = new AbortController();
  readonly #listeners = new Map<Caught, () => void>();
  #handler: ((signal: number, times: number) => void) | undefined;
  #times = 0;
  #givingUp: NodeJS.Timeout | undefined;
  #last = 0;
  readonly #source: Pick<NodeJS.EventEmitter, "on" | "off">;

  constructor(source: Pick<NodeJS.EventEmitter, "on" | "off"> = process) {
    this.#source = source;
    for (const name of SIGNALS) {
      const listener = () => this.#caught(name);
      this.#listeners.set(name, listener);
      source.on(name, listener);
    }
  }

  /** Aborted with Interrupted. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** True once a signal has arrived. */
  get any(): boolean {
    return this.#times > 0;
  }

  /** Awaits work that `signal` aborts. If it was aborted, rejects with Interrupted instead of the work's own error. */
  async during<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw this.signal.aborted ? this.signal.reason : error;
    }
  }

  /** From now on passes each signal's number and the count so far to `handler`, starting with one that already came. */
  handle(handler: (signal: number, times: number) => void): void {
    this.#handler = handler;
    if (this.#times > 0) handler(this.#last, this.#times);
  }

  /** Resolves with the next signal's number. */
  next(): Promise<number> {
    return new Promise((resolve) => this.handle(resolve));
  }

  /** Handles no more signals, unless the user has given up: then the command only ends, and says how. */
  [Symbol.dispose](): void {
    this.#handler = () => undefined;
    clearTimeout(this.#givingUp);
    if (this.#times >= LEAVE_AT) return;
    for (const [name, listener] of this.#listeners) this.#source.off(name, listener);
  }

  #caught(name: Caught): void {
    this.#times += 1;
    this.#last = constants.signals[name];
    if (name !== "SIGINT") {
      this.#givingUp ??= setTimeout(() => this.#handler?.(this.#last, Number.POSITIVE_INFINITY), GIVE_UP_MS).unref();
    }
    if (this.#handler === undefined) this.#abort.abort(new Interrupted(name));
    else this.#handler(this.#last, this.#times);
  }
}
