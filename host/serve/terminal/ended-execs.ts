/** Ends that are remembered. */
const MAX_ENDS = 256;

export interface ExecEnd {
  readonly code: number;
  readonly signal: number;
}

/** Ends of execs that pages saw: the agent forgets them, and a page that asks again must not start them again. */
export class EndedExecs {
  readonly #ends = new Map<string, ExecEnd>();

  add(terminal: string, end: ExecEnd): void {
    this.#ends.set(terminal, end);
    const [oldest] = this.#ends.keys();
    if (oldest !== undefined && this.#ends.size > MAX_ENDS) this.#ends.delete(oldest);
  }

  get(terminal: string): ExecEnd | undefined {
    return this.#ends.get(terminal);
  }
}
