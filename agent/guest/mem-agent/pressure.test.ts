import { expect, test } from "vitest";
import { PressureMeter, stalledMicros } from "./pressure.ts";

const FILE = `some avg10=0.00 avg60=1.25 avg300=0.00 total=37820
full avg10=0.00 avg60=0.00 avg300=0.00 total=28881
`;

test("pressure is read from the line for some tasks", () => {
  expect(stalledMicros("/p", FILE)).toBe(37_820);
  expect(() => stalledMicros("/p", "")).toThrow("/p: not a file with pressure stall information");
});

test("the first measurement is 0, later ones are the share of the time in between", () => {
  const meter = new PressureMeter();
  expect(meter.percent(5_000_000, 1000)).toBe(0);
  expect(meter.percent(5_020_000, 2000)).toBe(2);
  expect(meter.percent(5_029_999, 3000)).toBe(0);
  expect(meter.percent(6_529_999, 4000)).toBe(150);
  expect(meter.percent(6_529_999, 4000)).toBe(0);
});
