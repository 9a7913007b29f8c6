import { expect, test } from "vitest";
import { isRoot } from "../../lib/is-root.ts";
import { openSys } from "../kernel/sys/sys.ts";
import { createSysDouble } from "../kernel/testing/sys-double.ts";
import { reseedRandom } from "./reseed-random.ts";

test("writes all bytes, credits them and reseeds", () => {
  const sys = createSysDouble();
  sys.script("write", 2);
  reseedRandom(sys, Uint8Array.of(1, 2, 3), "/dev/null");
  const calls = sys.calls.map(([name, , argument]) => [name, argument]);
  expect(calls).toEqual([
    ["write", Uint8Array.of(1, 2, 3)],
    ["write", Uint8Array.of(3)],
    ["creditEntropy", 24],
    ["reseedRandom", undefined],
  ]);
});

test("refuses empty data", () => {
  expect(() => reseedRandom(createSysDouble(), new Uint8Array(), "/dev/null")).toThrow("reseed random: no data");
});

test.runIf(isRoot())("works with the real kernel (needs root)", () => {
  reseedRandom(openSys(), Buffer.alloc(512, "seed"));
});

test("reports a missing device", () => {
  expect(() => reseedRandom(openSys(), Uint8Array.of(1), "/dev/null")).toThrow(/ioctl RNDADDTOENTCNT fd \d+: ENOTTY/);
});
