import type { MetricFamily } from "./metric-family.ts";

/** Counts failed calls by method and status code. */
export class CallErrors {
  readonly #counts = new Map<string, { readonly method: string; readonly code: string; count: number }>();

  /** Method and code come from the service table and the table of codes, so the number of series is bounded. */
  note(method: string, code: string): void {
    const key = `${method} ${code}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { method, code, count: 1 });
    else known.count++;
  }

  family(): MetricFamily {
    const samples = Array.from(this.#counts.values(), ({ count, ...labels }) => ({ labels, value: count }));
    const help = "Calls that were answered with an error, by method and status code.";
    return { name: "guestd_rpc_errors_total", type: "counter", help, samples };
  }
}
