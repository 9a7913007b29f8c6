import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { expect, test } from "vitest";
import { queryProblems } from "../namespaces/testing/dashboard-queries.ts";
import { readDashboard } from "../testing/grafana-dashboard.ts";

const schema = JSON.parse(readFileSync(join(import.meta.dirname, "../testing/grafana-dashboard.schema.json"), "utf8"));
const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema);

test("Grafana's dashboard has the form of its schema", () => {
  validate(readDashboard());
  expect(validate.errors).toBeNull();
});

test.each([
  ["a panel of an unknown type", { type: "graph2" }],
  ["a query without an expression", { targets: [{ refId: "A", datasource: { type: "prometheus", uid: "x" } }] }],
  ["a panel outside the grid", { gridPos: { x: 24, y: 0, w: 1, h: 1 } }],
  ["a misspelt property", { feildConfig: {} }],
])("the schema refuses %s", (_, change) => {
  const dashboard = readDashboard();
  const panels = dashboard.panels.map((panel) => (panel.targets === undefined ? panel : { ...panel, ...change }));
  expect(validate({ ...dashboard, panels })).toBe(false);
});

test("no two panels of the dashboard overlap", () => {
  const cells = readDashboard().panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
});

const known = new Map([["m_total", new Set(["guest", "le"])]]);

test.each([
  ['rate(m_total{guest=~"$guest"}[$__rate_interval])', ["guest"], []],
  ["sum by (guest) (rate(m_total[1m])", [], ["no PromQL at 33"]],
  ["rate(n_total[1m])", [], ["no metric n_total"]],
  ['m_total{host="a"}', [], ["no label: m_total host"]],
  ["sum by (host) (m_total)", [], ["no label host"]],
  ["sum by (le) (m_total)", ["guest"], ["the legend's guest is aggregated away"]],
])("problems of the query %s with the legend %j are %j", (query, legend, problems) => {
  expect(queryProblems(query, known, legend)).toEqual(problems);
});
