import { type Comparison, isAsExpected } from "../compare-runs.ts";

/** Version of the format that comparison.schema.json describes. It only grows. */
const FORMAT = 1;

/** Returns the comparison as JSON, in the format of comparison.schema.json. */
export function comparisonJson(comparison: Comparison): string {
  const differences = comparison.differences.map((one) => ({
    ...one,
    values: one.values.map((value) => value ?? null),
  }));
  const content = { format: FORMAT, asExpected: isAsExpected(comparison), ...comparison, differences };
  return `${JSON.stringify(content, undefined, 1)}\n`;
}
