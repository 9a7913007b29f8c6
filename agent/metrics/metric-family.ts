/** Labels in the order of printing. Names are constants of the caller and are not checked. */
export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  /** Appended to the family's name; only histograms use it. */
  readonly suffix?: "_bucket" | "_sum" | "_count";
  readonly labels: Labels;
  readonly value: number;
}

/** All samples of one metric name. A family without samples is not printed. */
export interface MetricFamily {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** One line for human readers. */
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** Returns a gauge without labels, or without any sample if the value is unknown. */
export function plainGauge(name: string, help: string, value: number | undefined): MetricFamily {
  return { name, type: "gauge", help, samples: value === undefined ? [] : [{ labels: {}, value }] };
}

/** Returns gauge samples with an `item` label after the given labels. */
export function itemSamples(items: Iterable<readonly [string, number]>, labels: Labels = {}): Sample[] {
  return Array.from(items, ([item, value]) => ({ labels: { ...labels, item }, value }));
}
