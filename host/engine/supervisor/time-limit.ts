import { MAX_TIMER_MS } from "../../../lib/max-timer.ts";

/** Ends or pauses a guest at a time. */
export class TimeLimit implements Disposable {
  readonly #end: (why: string) => Promise<void>;
  #timer: NodeJS.Timeout | undefined;

  constructor(end: (why: string) => Promise<void>) {
    this.#end = end;
  }

  /** Ends the guest at this time (ISO 8601) instead of one that was set before; never, if undefined. */
  set(endsAt: string | undefined): void {
    clearTimeout(this.#timer);
    if (endsAt === undefined) return;
    const left = Date.parse(endsAt) - Date.now();
    if (left <= 0) return void this.#end(`powered off, as its time limit has passed at ${endsAt}`);
    this.#timer = setTimeout(() => this.set(endsAt), Math.min(left, MAX_TIMER_MS));
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** Returns the time in some milliseconds, as ISO 8601; undefined if that is after every date, such as Infinity. */
export function timeIn(ms: number): string | undefined {
  const time = new Date(Date.now() + ms);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
