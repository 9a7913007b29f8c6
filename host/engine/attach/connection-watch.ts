import { visibleLine } from "../../visible.ts";
import { DisconnectLine } from "./disconnect-line.ts";

/** Milliseconds between two looks, while disconnected, at whether the guest still exists. */
const LOOK_MS = 200;

/** Follows the connections of an attachment: shows disconnections to a person, and finds out if none will follow. */
export class ConnectionWatch implements Disposable {
  readonly #line = new DisconnectLine();
  readonly #findDeath: () => Error | undefined;
  readonly #onDeath: (death: Error) => void;
  #timer: NodeJS.Timeout | undefined;
  #isConnected = false;

  /** `findDeath` returns why the agent will never answer again, once that is known. */
  constructor(findDeath: () => Error | undefined, onDeath: (death: Error) => void) {
    this.#findDeath = findDeath;
    this.#onDeath = onDeath;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Returns true if a disconnection was shown. */
  connected(): boolean {
    this.#isConnected = true;
    clearInterval(this.#timer);
    return this.#line.hide();
  }

  disconnected(reason: string): void {
    this.#isConnected = false;
    this.#line.show(visibleLine(`guestctl: disconnected (${reason}); connecting again …`));
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      const death = this.#findDeath();
      if (death !== undefined) this.#onDeath(death);
    }, LOOK_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#line.hide();
  }
}
