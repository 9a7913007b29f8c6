/** Measured values of one quantity, in any unit. */
export class Samples {
  readonly #values: number[] = [];

  add(value: number): void {
    this.#values.push(value);
  }

  get count(): number {
    return this.#values.length;
  }

  get last(): number {
    return this.#values.at(-1) ?? Number.NaN;
  }

  get median(): number {
    return this.#quantile(0.5);
  }

  get p95(): number {
    return this.#quantile(0.95);
  }

  get max(): number {
    return this.#quantile(1);
  }

  /** Returns a quantile, interpolated between the two nearest values; NaN without values. */
  #quantile(share: number): number {
    const sorted = this.#values.toSorted((a, b) => a - b);
    const at = (sorted.length - 1) * share;
    const below = sorted[Math.floor(at)] ?? Number.NaN;
    const above = sorted[Math.ceil(at)] ?? Number.NaN;
    return below + (above - below) * (at - Math.floor(at));
  }

  /** Records the milliseconds that `work` takes, and returns its result. */
  async time<T>(work: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const result = await work();
    this.add(performance.now() - began);
    return result;
  }
}
