import { expect, test } from "vitest";
import {
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_SHARED,
} from "../kernel/constants.ts";
import { parseStorageOptions } from "./mount-flags.ts";

test("known words become flags, and the rest is data in its order", () => {
  expect(parseStorageOptions(["noexec", "nosuid", "nodev", "mode=1777", "size=1m"])).toEqual({
    flags: MS_NOEXEC | MS_NOSUID | MS_NODEV,
    data: "mode=1777,size=1m",
    propagation: 0,
  });
});

test("the last of two contradicting words counts", () => {
  expect(parseStorageOptions(["ro", "rw"]).flags).toBe(0);
  expect(parseStorageOptions(["rw", "ro"]).flags).toBe(MS_RDONLY);
  expect(parseStorageOptions(["rbind"]).flags).toBe(MS_BIND | MS_REC);
});

test("empty words and defaults have no effect", () => {
  expect(parseStorageOptions(["", "defaults"])).toEqual({ flags: 0, data: "", propagation: 0 });
});

test("loop is refused by name", () => {
  expect(() => parseStorageOptions(["loop"])).toThrow('storage option "loop" is not supported');
});

test("the last propagation word counts and is not part of the data", () => {
  const { data, propagation } = parseStorageOptions(["shared", "rprivate"]);
  expect([data, propagation]).toEqual(["", MS_PRIVATE | MS_REC]);
  expect(parseStorageOptions(["rshared"]).propagation).toBe(MS_SHARED | MS_REC);
});

test.each([["x".repeat(4096)], ["a\0b"]])("data that mount(2) can't accept is refused", (word) => {
  expect(() => parseStorageOptions([word])).toThrow("storage options contain a NUL byte or are longer than 4095 bytes");
});
