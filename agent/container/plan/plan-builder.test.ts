import { expect, test } from "vitest";
import { PlanBuilder } from "./plan-builder.ts";

test("the same name gets the same slot, and slots are numbered in the order of first use", () => {
  const plan = new PlanBuilder();
  expect([plan.slot("report"), plan.slot("stdin"), plan.slot("report")]).toEqual([0, 1, 0]);
  expect(plan.finish().slots).toEqual(["report", "stdin"]);
});

test("every operation keeps the spec field that it comes from", () => {
  const plan = new PlanBuilder();
  plan.add("a", { op: "setsid" }, { op: "pivot" });
  plan.add("b", { op: "ctty" });
  expect(plan.finish().steps.map(({ op, reason }) => `${op.op} ${reason}`)).toEqual(["setsid a", "pivot a", "ctty b"]);
});
