import type { Guest } from "../../machine/guest.ts";

/** The most that a timer of Node can wait, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Ends a guest, which this process keeps, at a time. */
export class TimeLimit implements Disposable {
  readonly #guest: Pick<Guest, "end">;
  #timer: NodeJS.Timeout | undefined;

  constructor(guest: Pick<Guest, "end">) {
    this.#guest = guest;
  }

  /** Ends the guest at this time (ISO 8601) instead of one that was set before; never, if undefined. */
  set(endsAt: string | undefined): void {
    clearTimeout(this.#timer);
    if (endsAt === undefined) return;
    const left = Date.parse(endsAt) - Date.now();
    if (left <= 0) return void this.#guest.end(`powered off, as its time limit has passed at ${endsAt}`);
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
