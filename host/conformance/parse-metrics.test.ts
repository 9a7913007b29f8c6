import { expect, test } from "vitest";
import { parseMetrics } from "./parse-metrics.ts";

test("returns type, labels, items and values of each metric", () => {
  const text = `# HELP m Some help.
# TYPE m gauge
m{disk="sda",item="reads"} 1
m{disk="sda",item="writes"} 2.5e3
plain 3
`;
  expect(parseMetrics(text)).toEqual(
    new Map([
      ["m", { type: "gauge", labels: ["disk"], items: new Set(["reads", "writes"]), values: [1, 2500] }],
      ["plain", { type: "untyped", labels: [], items: new Set(), values: [3] }],
    ]),
  );
});

test.each(["no value", "m{item=reads} 1", "m 1x", "m{} 1 2 3"])("refuses the line %j", (line) => {
  expect(() => parseMetrics(`${line}\n`)).toThrow("not in Prometheus' text format");
});
