import { expect, test } from "vitest";
import { jsonReport } from "../../conformance/report/json.ts";
import { sampleRun } from "../../conformance/report/testing/sample-run.ts";
import { reportOf } from "./report-routes.ts";

test("a report of guestctl conformance is read, and other JSON isn't", () => {
  const report = reportOf("r.json", JSON.parse(jsonReport(sampleRun())));
  expect(report).toMatchObject({ name: "r.json", counts: { passed: expect.any(Number) } });
  expect(report?.cases.map(({ state }) => state)).toContain("failed");
  expect(report?.agent).not.toBe("");
  for (const wrong of [null, [], {}, { format: 2, cases: [] }, { format: 1 }]) {
    expect(reportOf("r.json", wrong)).toBeUndefined();
  }
});
