import { expect, test } from "vitest";
import { type Files, realFiles } from "../kernel/files.ts";
import { mountedOn } from "./mounts.ts";

const files = (text: string): Files => ({ ...realFiles, readText: () => text });

test("names with blanks and other escapes are read as they are", () => {
  const entry = mountedOn(files("a\\040b /run/x\\011y\\134z tmpfs rw,size=1k 0 0\n"), "/run/x\ty\\z");
  expect(entry).toEqual({ source: "a b", mountPoint: "/run/x\ty\\z", type: "tmpfs", options: ["rw", "size=1k"] });
});

test("the mount on top is the one that counts, with or without a slash at the end", () => {
  const two = files("low /a tmpfs rw 0 0\nother /a/b tmpfs rw 0 0\nhigh /a tmpfs ro 0 0\n");
  expect([mountedOn(two, "/a")?.source, mountedOn(two, "/a/")?.source]).toEqual(["high", "high"]);
  expect(mountedOn(two, "/c")).toBeUndefined();
});

test("this machine's root is mounted", () => {
  expect(mountedOn(realFiles, "/")?.mountPoint).toBe("/");
});
