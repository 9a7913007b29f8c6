/** Bytes or lines that may be on their way to a page: more may be sent once the page reports that it has shown some. */
export class Window {
  readonly #size: number;
  #sent = 0;
  #shown = 0;
  #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** Takes what the page reports; smaller numbers than before, or more than was sent, are ignored. */
  show(total: number): void {
    if (total <= this.#shown || total > this.#sent) return;
    this.#shown = total;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  get isOpen(): boolean {
    return this.#sent - this.#shown < this.#size;
  }

  sent(count: number): void {
    this.#sent += count;
  }

  /** Resolves once the window is open, or closed for good. */
  async opened(): Promise<void> {
    while (!this.isOpen) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Lets those that wait continue. */
  close(): void {
    this.#shown = this.#sent;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
