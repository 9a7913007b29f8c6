import colors from "picocolors";

/** One progress line on stderr, removed when disposed; prints nothing if stderr is not a terminal. */
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
