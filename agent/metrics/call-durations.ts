import type { MetricFamily, Sample } from "./metric-family.ts";

/** Upper bounds in seconds: fast calls, calls a person notices, calls near a host's timeout. */
const BOUNDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10];

interface Histogram {
  /** Counts within each bound alone, then those above all bounds. */
  readonly counts: number[];
  sum: number;
}

/** Durations of answered calls by method, as a Prometheus histogram. Includes calls that wait for an event. */
export class CallDurations {
  readonly #methods = new Map<string, Histogram>();

  /** `method` comes from the service table, so the number of series is bounded. */
  note(method: string, seconds: number): void {
    let histogram = this.#methods.get(method);
    if (histogram === undefined) {
      histogram = { counts: new Array(BOUNDS.length + 1).fill(0), sum: 0 };
      this.#methods.set(method, histogram);
    }
    const over = BOUNDS.findIndex((bound) => seconds <= bound);
    const at = over < 0 ? BOUNDS.length : over;
    histogram.counts[at] = (histogram.counts[at] ?? 0) + 1;
    histogram.sum += seconds;
  }

  family(): MetricFamily {
    return {
      name: "guestd_rpc_duration_seconds",
      type: "histogram",
      help: "From a request to its answer, by method; waits of WaitProcess, GetOOMEvent and reads included.",
      samples: Array.from(this.#methods, ([method, histogram]) => samplesOf(method, histogram)).flat(),
    };
  }
}

function samplesOf(method: string, { counts, sum }: Histogram): Sample[] {
  let total = 0;
  const buckets = counts.map((count, at): Sample => {
    total += count;
    return { suffix: "_bucket", labels: { method, le: String(BOUNDS[at] ?? "+Inf") }, value: total };
  });
  const labels = { method };
  return [...buckets, { suffix: "_sum", labels, value: sum }, { suffix: "_count", labels, value: total }];
}
