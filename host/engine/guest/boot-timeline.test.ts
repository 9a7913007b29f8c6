import { expect, test } from "vitest";
import { bootMarks, bootTimeline, timelineText } from "./boot-timeline.ts";

const LINE = JSON.stringify({
  level: "INFO",
  msg: "listening",
  marks: { init: 2_000_000, agent: 2_500_000, loaded: 4_000_000, listening: 4_300_000 },
});
const HOST = { qemu: 30, firstLine: 3200, ready: 5330 };

test("aligns the guest's clock with the host's at the moment the guest listens", () => {
  const timeline = bootTimeline(HOST, 5430.4, bootMarks(LINE));
  expect(timeline).toEqual({ kernel: 1000, init: 3000, agent: 3500, loaded: 5000, listening: 5300, check: 5400 });
  expect(timelineText(timeline)).toBe(
    "QEMU 0 → kernel 1.00 → init 3.00 → agent 3.50 → loaded 5.00 → listening 5.30 → first answer 5.40 s",
  );
});

test("shows the remaining marks if an agent has no mark for loading", () => {
  const marks = bootMarks(LINE.replace("loaded", "other"));
  expect(timelineText(bootTimeline(HOST, 5430, marks))).toContain("agent 3.50 → listening 5.30");
});

test("omits the guest's steps without its marks", () => {
  expect(timelineText(bootTimeline(HOST, 5430))).toBe("QEMU 0 → listening 5.30 → first answer 5.40 s");
});

test.each(["", "text", "{", '{"msg":"other"}', '{"msg":"listening"}', '{"msg":"listening","marks":{"init":"1"}}'])(
  "finds no marks in %j",
  (line) => {
    expect(bootMarks(line)).toBeUndefined();
  },
);
