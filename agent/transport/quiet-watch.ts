/** How long the rest of a request may keep silent: what a client sends as a whole is never so late. */
export const QUIET_MS = 30_000;
const CHECKS = 6;

/**
 * Tells when nothing was heard for a time. It counts its own checks rather than reads a clock: however long the guest stood
 * still, suspended or paused, that is one check, and what came meanwhile is heard before the next.
 */
export class QuietWatch {
  readonly #everyMs: number;
  readonly #onQuiet: () => void;
  #timer: NodeJS.Timeout | undefined;
  #checks = 0;

  constructor(quietMs: number, onQuiet: () => void) {
    this.#everyMs = quietMs / CHECKS;
    this.#onQuiet = onQuiet;
  }

  /** Begins, or begins anew. */
  heard(): void {
    this.#checks = 0;
    this.#timer ??= setInterval(() => this.#check(), this.#everyMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    if (++this.#checks < CHECKS) return;
    this.stop();
    this.#onQuiet();
  }
}
