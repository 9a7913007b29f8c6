import { expect, it } from "vitest";
import type { CallSpan } from "../../serve/protocol/calls.ts";
import { traceLines } from "./trace-lines.ts";

const span = (id: string, began: number, ended: number, parent?: string): CallSpan => ({
  ...{ trace: "t", id, name: id, kind: "internal", began, ended, attributes: {} },
  parent,
});

it("shows calls on their own scale, the latest first, with their operations in order", () => {
  const spans = [
    span("b", 15, 20, "call"),
    span("a", 10, 12, "call"),
    span("call", 10, 18),
    span("later", 50, 51),
    span("deep", 15, 16, "b"),
    span("orphan", 5, 6, "gone"),
  ];
  const lines = traceLines(spans).map(({ span: { id }, depth, left, width }) => [id, depth, left, width]);
  expect(lines).toEqual([
    ["later", 0, 0, 100],
    ["call", 0, 0, 80],
    ["a", 1, 0, 20],
    ["b", 1, 50, 50],
    ["deep", 2, 50, 10],
    ["orphan", 0, 0, 100],
  ]);
});

it("shows each id once, and nothing of a circle, whatever a guest sends", () => {
  const same = Array.from({ length: 300 }, (_, index) => span("same", index, index + 1, "root"));
  expect(traceLines([span("root", 0, 9), ...same])).toHaveLength(2);
  expect(traceLines([span("x", 0, 1, "y"), span("y", 0, 1, "x")])).toEqual([]);
});
