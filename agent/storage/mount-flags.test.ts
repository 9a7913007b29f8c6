import { expect, test } from "vitest";
import { MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REC } from "../kernel/constants.ts";
import { parseStorageOptions } from "./mount-flags.ts";

test("known words are flags, the rest is data in its order", () => {
  expect(parseStorageOptions(["noexec", "nosuid", "nodev", "mode=1777", "size=1m"])).toEqual({
    flags: MS_NOEXEC | MS_NOSUID | MS_NODEV,
    data: "mode=1777,size=1m",
  });
});

test("the last word of two that contradict each other counts", () => {
  expect(parseStorageOptions(["ro", "rw"]).flags).toBe(0);
  expect(parseStorageOptions(["rw", "ro"]).flags).toBe(MS_RDONLY);
  expect(parseStorageOptions(["rbind"]).flags).toBe(MS_BIND | MS_REC);
});

test("empty words and defaults are nothing", () => {
  expect(parseStorageOptions(["", "defaults"])).toEqual({ flags: 0, data: "" });
});

test("loop is refused by its name", () => {
  expect(() => parseStorageOptions(["loop"])).toThrow('storage option "loop" is not supported');
});
