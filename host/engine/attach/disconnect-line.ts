import colors from "picocolors";

/** Milliseconds until a disconnection is shown: most end earlier. */
const SHOW_MS = 250;

/** Moves down and back up, so that a line below the cursor exists; saves the cursor and moves to that line. */
const TO_LINE_BELOW = "\u001bD\u001b[A\u001b7\u001b[B\r\u001b[K";
const RESTORE_CURSOR = "\u001b8";

/**
 * One line below the cursor of a terminal that says that the connection is lost. It disappears with the disconnection,
 * and the cursor stays where it is. Prints nothing if stderr is not a terminal.
 */
export class DisconnectLine implements Disposable {
  readonly #output: Pick<NodeJS.WriteStream, "isTTY" | "columns" | "write">;
  #timer: NodeJS.Timeout | undefined;
  #isShown = false;

  constructor(output: Pick<NodeJS.WriteStream, "isTTY" | "columns" | "write"> = process.stderr) {
    this.#output = output;
  }

  /** Shows the line, unless `hide` follows soon. */
  show(text: string): void {
    if (!this.#output.isTTY || this.#isShown || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      const line = colors.dim(text.slice(0, (this.#output.columns || 80) - 1));
      this.#output.write(`${TO_LINE_BELOW}${line}${RESTORE_CURSOR}`);
      this.#isShown = true;
    }, SHOW_MS);
  }

  /** Removes the line; returns true if it was shown. */
  hide(): boolean {
    const wasShown = this.#isShown;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isShown = false;
    if (wasShown) this.#output.write(`${TO_LINE_BELOW}${RESTORE_CURSOR}`);
    return wasShown;
  }

  [Symbol.dispose](): void {
    this.hide();
  }
}
