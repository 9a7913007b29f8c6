import { expect, test } from "vitest";
import { CallErrors } from "./call-errors.ts";
import { formatMetrics } from "./format-metrics.ts";

test("failed calls are counted by method and code", () => {
  const errors = new CallErrors();
  expect(formatMetrics([errors.family()])).toBe("");
  for (const code of ["internal", "not-found", "internal"]) errors.note("ExecProcess", code);
  errors.note("Check", "internal");
  expect(formatMetrics([errors.family()]).split("\n").slice(1)).toEqual([
    "# TYPE guestd_rpc_errors_total counter",
    'guestd_rpc_errors_total{method="ExecProcess",code="internal"} 2',
    'guestd_rpc_errors_total{method="ExecProcess",code="not-found"} 1',
    'guestd_rpc_errors_total{method="Check",code="internal"} 1',
    "",
  ]);
});
