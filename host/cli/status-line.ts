import colors from "picocolors";

/** One line on a terminal's stderr that says what is being done, taken away when it is over; elsewhere nothing. */
export class StatusLine implements Disposable {
  readonly #output: NodeJS.WriteStream;
  #shown = false;

  constructor(output: NodeJS.WriteStream = process.stderr) {
    this.#output = output;
  }

  show(text: string): void {
    if (!this.#output.isTTY) return;
    this.clear();
    this.#output.write(colors.dim(text.slice(0, (this.#output.columns || 80) - 1)));
    this.#shown = true;
  }

  clear(): void {
    if (this.#shown) this.#output.write("\r\u001b[K");
    this.#shown = false;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
