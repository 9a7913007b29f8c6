import { prometheusSamples } from "../../lib/prometheus-samples.ts";
import { CaseFailure } from "./outcome.ts";

/** All samples of one metric. */
export interface ParsedMetric {
  readonly type: string;
  /** Labels of its samples, without `item`. */
  readonly labels: readonly string[];
  readonly items: ReadonlySet<string>;
  readonly values: readonly number[];
}

/** Parses Prometheus text. Fails the case for a line that is not in the format. */
export function parseMetrics(text: string): ReadonlyMap<string, ParsedMetric> {
  const types = new Map(Array.from(text.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, of = "", type = ""]) => [of, type]));
  const found = new Map<string, { labels: readonly string[]; items: Set<string>; values: number[] }>();
  for (const { name, labels, value } of samplesOf(text)) {
    const metric = found.get(name) ?? {
      labels: Object.keys(labels).filter((key) => key !== "item"),
      items: new Set<string>(),
      values: [],
    };
    if (labels["item"] !== undefined) metric.items.add(labels["item"]);
    metric.values.push(value);
    found.set(name, metric);
  }
  return new Map(Array.from(found, ([name, metric]) => [name, { ...metric, type: types.get(name) ?? "untyped" }]));
}

function samplesOf(text: string) {
  try {
    return [...prometheusSamples(text)];
  } catch (error) {
    throw new CaseFailure("a line is not in Prometheus' text format", { actual: (error as Error).message });
  }
}
