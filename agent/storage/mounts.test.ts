import { expect, test } from "vitest";
import { type Files, realFiles } from "../kernel/files.ts";
import { mountedOn } from "./mounts.ts";

const files = (text: string): Files => ({ ...realFiles, readText: () => text });

test("names with spaces and other escapes are decoded", () => {
  const entry = mountedOn(files("a\\040b /run/x\\011y\\134z tmpfs rw,size=1k 0 0\n"), "/run/x\ty\\z");
  expect(entry).toEqual({ source: "a b", mountPoint: "/run/x\ty\\z", type: "tmpfs", options: ["rw", "size=1k"] });
});

test("the topmost mount counts, with or without a trailing slash", () => {
  const two = files("low /a tmpfs rw 0 0\nother /a/b tmpfs rw 0 0\nhigh /a tmpfs ro 0 0\n");
  expect([mountedOn(two, "/a")?.source, mountedOn(two, "/a/")?.source]).toEqual(["high", "high"]);
  expect(mountedOn(two, "/c")).toBeUndefined();
});

test("this machine's root is mounted", () => {
  expect(mountedOn(realFiles, "/")?.mountPoint).toBe("/");
});
