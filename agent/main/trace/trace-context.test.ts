import { expect, test } from "vitest";
import { readTraceparent } from "./trace-context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

test("reads trace, span and whether it is sampled", () => {
  const context = readTraceparent(`00-${TRACE}-${SPAN}-01`);
  expect(Buffer.from(context?.traceId ?? []).toString("hex")).toBe(TRACE);
  expect(Buffer.from(context?.spanId ?? []).toString("hex")).toBe(SPAN);
  expect([context?.sampled, readTraceparent(`00-${TRACE}-${SPAN}-02`)?.sampled]).toEqual([true, false]);
});

test.each([
  undefined,
  "",
  `01-${TRACE}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${"0".repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${"0".repeat(16)}-01`,
  `00-${TRACE}-${SPAN}-01-more`,
])("%j is none", (text) => {
  expect(readTraceparent(text)).toBeUndefined();
});
