import { parser } from "@prometheus-io/lezer-promql";
import type { PrometheusSample } from "../../../lib/prometheus-samples.ts";
import { readDashboard } from "../../testing/grafana-dashboard.ts";

/** Values for Grafana's variables, with which a query is PromQL. */
const VARIABLES: Readonly<Record<string, string>> = { $__rate_interval: "1m", $__range: "1h", $guest: ".*" };
/** Labels by metric name. */
type Labels = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Parses every query of the dashboard, and returns one line for each that is no PromQL or names a metric or label that the
 * samples lack.
 */
export function dashboardProblems(samples: readonly PrometheusSample[]): readonly string[] {
  const known = new Map<string, Set<string>>();
  for (const { name, labels } of samples) {
    const labelsOf = known.get(name) ?? new Set();
    for (const label of Object.keys(labels)) labelsOf.add(label);
    known.set(name, labelsOf);
  }
  const { panels, templating } = readDashboard();
  const targets = panels.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, ...target })));
  const queries = targets.flatMap(({ title, expr, legendFormat }) => {
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
    return queryProblems(expr, known, shown).map((problem) => `${title}: ${problem}: ${expr}`);
  });
  const variables = templating.list.flatMap(({ name, query }) => {
    const [, metric = "", label = ""] =
      /^label_values\((\w+), (\w+)\)$/.exec(typeof query === "string" ? "" : query.query) ?? [];
    if (metric === "") return typeof query === "string" ? [] : [`variable ${name}: not understood`];
    return known.get(metric)?.has(label) ? [] : [`variable ${name}: no ${metric} with label ${label}`];
  });
  return [...queries, ...variables];
}

/** `shown` are labels that the legend names: the query must keep them. */
export function queryProblems(expr: string, known: Labels, shown: readonly string[] = []): readonly string[] {
  const query = expr.replace(/\$\w+/g, (name) => VARIABLES[name] ?? name);
  const problems: string[] = [];
  const metrics: string[] = [];
  const grouped: string[] = [];
  const used: string[] = [];
  parser.parse(query).iterate({
    enter({ type, from, to, node }) {
      const text = query.slice(from, to);
      const { name: parent } = node.parent ?? { name: "" };
      if (type.isError) problems.push(`no PromQL at ${from}`);
      if (type.name === "Identifier" && parent === "VectorSelector") metrics.push(text);
      if (type.name === "GroupingLabels") grouped.push(...(text.match(/\w+/g) ?? []));
      if (type.name === "LabelName" && parent === "UnquotedLabelMatcher") used.push(`${metrics.at(-1)} ${text}`);
    },
  });
  const missing = metrics.filter((name) => !known.has(name)).map((name) => `no metric ${name}`);
  const wrong = used.filter((each) => {
    const [metric = "", label = ""] = each.split(" ");
    return !known.get(metric)?.has(label);
  });
  const all = new Set(metrics.flatMap((name) => [...(known.get(name) ?? [])]));
  const lost = [...grouped, ...shown].filter((label) => !all.has(label));
  const aggregated = shown.filter((label) => grouped.length > 0 && !grouped.includes(label));
  return [
    ...problems,
    ...missing,
    ...wrong.map((each) => `no label: ${each}`),
    ...lost.map((label) => `no label ${label}`),
    ...aggregated.map((label) => `the legend's ${label} is aggregated away`),
  ];
}
