import { AgentError } from "../../kernel/error.ts";

/** Passes calls that create something; while it is closed it refuses them. */
export class CreationGate {
  readonly #closedBecause: () => string | undefined;
  #inside = 0;
  #emptied = Promise.withResolvers<void>();

  /** `closedBecause` returns why the gate is closed, with the remedy; undefined if it is open. */
  constructor(closedBecause: () => string | undefined) {
    this.#closedBecause = closedBecause;
  }

  /** Throws unavailable if the gate is closed. `what` is the operation and its object. */
  check(what: string): void {
    const reason = this.#closedBecause();
    if (reason !== undefined) throw new AgentError("unavailable", `${what}: ${reason}`);
  }

  /**
   * Counts a call until the returned object is disposed of. Throws unavailable if the gate is closed, unless an earlier agent had
   * begun the call (`begun`, its progress): it passed the gate then.
   */
  enter(what: string, begun = 0): Disposable {
    if (begun === 0) this.check(what);
    this.#inside++;
    return {
      [Symbol.dispose]: () => {
        this.#inside--;
        if (this.#inside > 0) return;
        this.#emptied.resolve();
        this.#emptied = Promise.withResolvers();
      },
    };
  }

  /** Resolves once no call is inside. */
  async emptied(): Promise<void> {
    while (this.#inside > 0) await this.#emptied.promise;
  }
}
