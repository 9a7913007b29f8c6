import { CaseFailure } from "./outcome.ts";

/** All samples of one metric. */
export interface ParsedMetric {
  readonly type: string;
  /** Labels of its samples, without `item`. */
  readonly labels: readonly string[];
  readonly items: ReadonlySet<string>;
  readonly values: readonly number[];
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$/;

/** Parses Prometheus text. Fails the case for a line that is not in the format. */
export function parseMetrics(text: string): ReadonlyMap<string, ParsedMetric> {
  const types = new Map<string, string>();
  const found = new Map<string, { labels: readonly string[]; items: Set<string>; values: number[] }>();
  for (const line of text.split("\n")) {
    const [, of = "", type = ""] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (of !== "") types.set(of, type);
    if (line === "" || line.startsWith("#")) continue;
    const [, name = "", inBraces = "", value = ""] = SAMPLE.exec(line) ?? [];
    if (name === "" || (Number.isNaN(Number(value)) && !/^[+-]?(Inf|NaN)$/.test(value))) {
      throw new CaseFailure("a line is not in Prometheus' text format", { actual: line.slice(0, 300) });
    }
    const pairs = Array.from(
      inBraces.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g),
      ([, key = "", to = ""]) => [key, to] as const,
    );
    const metric = found.get(name) ?? {
      labels: pairs.map(([key]) => key).filter((key) => key !== "item"),
      items: new Set<string>(),
      values: [],
    };
    for (const [key, to] of pairs) if (key === "item") metric.items.add(to);
    metric.values.push(Number(value));
    found.set(name, metric);
  }
  return new Map(Array.from(found, ([name, metric]) => [name, { ...metric, type: types.get(name) ?? "untyped" }]));
}
