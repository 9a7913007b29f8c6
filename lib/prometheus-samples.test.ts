import { expect, test } from "vitest";
import { prometheusSamples } from "./prometheus-samples.ts";

test("yields name, labels and value of each sample, without comments", () => {
  const text = '# TYPE m counter\nm{a="x",b="say \\"no\\"\\\\\\n"} 2.5e3\nplain +Inf\nodd NaN\n';
  expect([...prometheusSamples(text)]).toEqual([
    { name: "m", labels: { a: "x", b: 'say "no"\\\n' }, value: 2500 },
    { name: "plain", labels: {}, value: Number.POSITIVE_INFINITY },
    { name: "odd", labels: {}, value: Number.NaN },
  ]);
});

test.each(["no value", "m{a=x} 1", "m 1x", "m{} 1 2 3", "m "])("refuses the line %j", (line) => {
  expect(() => [...prometheusSamples(`${line}\n`)]).toThrow(line);
});
