/** Labels in the order in which they are printed; names are the caller's constants and are not checked. */
export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  /** Behind the family's name: those of a histogram have one. */
  readonly suffix?: "_bucket" | "_sum" | "_count";
  readonly labels: Labels;
  readonly value: number;
}

/** All samples of one metric name. One without samples is not printed. */
export interface MetricFamily {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** One line for people. */
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** A gauge without labels, or with no sample at all when the value is unknown. */
export function plainGauge(name: string, help: string, value: number | undefined): MetricFamily {
  return { name, type: "gauge", help, samples: value === undefined ? [] : [{ labels: {}, value }] };
}

/** A gauge with one `item` label beside the given ones. */
export function itemSamples(items: Iterable<readonly [string, number]>, labels: Labels = {}): Sample[] {
  return Array.from(items, ([item, value]) => ({ labels: { ...labels, item }, value }));
}
