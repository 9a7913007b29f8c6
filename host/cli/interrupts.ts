import { constants } from "node:os";
import { CliError } from "./cli-error.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type Caught = (typeof SIGNALS)[number];

/** The command was ended by a signal; `exitCode` is what shells expect then. */
export class Interrupted extends CliError {
  constructor(name: Caught) {
    super(`ended by ${name}`, { exitCode: 128 + constants.signals[name] });
  }
}

/** SIGINT, SIGTERM and SIGHUP of this process: they abort `signal`, or go to `take` once that is called. */
export class Interrupts implements Disposable {
  readonly #abort = new AbortController();
  readonly #listeners = new Map<Caught, () => void>();
  #taker: ((signal: number, times: number) => void) | undefined;
  #times = 0;
  #last = 0;

  constructor() {
    for (const name of SIGNALS) {
      const listener = () => this.#caught(name);
      this.#listeners.set(name, listener);
      process.on(name, listener);
    }
  }

  /** Aborted with Interrupted. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Work that `signal` ends: rejects with Interrupted then, whatever words the work found for it. */
  async during<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw this.signal.aborted ? this.signal.reason : error;
    }
  }

  /** From now on signals are `taker`'s business, with their number and how many have come; also one that came before. */
  take(taker: (signal: number, times: number) => void): void {
    this.#taker = taker;
    if (this.#times > 0) taker(this.#last, this.#times);
  }

  /** Resolves with the first signal that comes. */
  next(): Promise<number> {
    return new Promise((resolve) => this.take(resolve));
  }

  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener);
  }

  #caught(name: Caught): void {
    this.#times += 1;
    this.#last = constants.signals[name];
    if (this.#taker === undefined) this.#abort.abort(new Interrupted(name));
    else this.#taker(this.#last, this.#times);
  }
}
