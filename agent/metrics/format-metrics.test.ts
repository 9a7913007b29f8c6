import fc from "fast-check";
import { expect, test } from "vitest";
import { formatMetrics } from "./format-metrics.ts";
import type { MetricFamily } from "./metric-family.ts";

const family = (samples: MetricFamily["samples"], help = "Help."): MetricFamily => ({
  name: "a_metric",
  type: "gauge",
  help,
  samples,
});

test("a family prints its help, its type and its samples", () => {
  const text = formatMetrics([
    family([
      { labels: {}, value: 1.5 },
      { labels: { b: "x", a: "y" }, value: 2 ** 53 },
    ]),
  ]);
  expect(text).toBe(
    '# HELP a_metric Help.\n# TYPE a_metric gauge\na_metric 1.5\na_metric{b="x",a="y"} 9007199254740992\n',
  );
});

test("a family without samples prints nothing", () => {
  expect(formatMetrics([family([])])).toBe("");
});

test("infinities and NaN have Prometheus names", () => {
  const text = formatMetrics([family([Infinity, -Infinity, NaN].map((value) => ({ labels: {}, value })))]);
  expect(text.match(/[^ \n]+$/gm)).toEqual(["Help.", "gauge", "+Inf", "-Inf", "NaN"]);
});

test("help text stays on one line", () => {
  expect(formatMetrics([family([{ labels: {}, value: 0 }], "a\\b\nc")])).toContain("# HELP a_metric a\\\\b\\nc\n");
});

test("any label value survives escaping and parsing", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (value) => {
      const line = formatMetrics([family([{ labels: { l: value }, value: 0 }])]).split("\n")[2] ?? "";
      const escaped = line.slice('a_metric{l="'.length, -'"} 0'.length);
      expect(escaped.replace(/\\(.)/gs, (_, c: string) => (c === "n" ? "\n" : c))).toBe(value);
    }),
  );
});
