import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { readInRoot } from "./read-in-root.ts";

const LIMIT = 1000;

test("reads a file below a root, following links as a process with that root would", () => {
  using temporary = temporaryDirectory();
  const root = join(temporary.path, "c1/rootfs");
  mkdirSync(join(root, "etc"), { recursive: true });
  writeFileSync(join(root, "passwd"), "inside");
  writeFileSync(join(temporary.path, "passwd"), "outside");
  expect(readInRoot(root, "/passwd", LIMIT)).toBe("inside");
  expect(readInRoot(root, "/etc/passwd", LIMIT)).toBe(undefined);
  symlinkSync("../../../../passwd", join(root, "etc/passwd"));
  expect(readInRoot(root, "/etc/passwd", LIMIT)).toBe("inside");
  symlinkSync("/passwd", join(root, "etc/absolute"));
  expect(readInRoot(root, "/etc/absolute", LIMIT)).toBe("inside");
});

test("reads files up to the limit, and treats longer ones as missing", () => {
  using temporary = temporaryDirectory();
  writeFileSync(join(temporary.path, "file"), "x".repeat(LIMIT));
  expect(readInRoot(temporary.path, "file", LIMIT)).toHaveLength(LIMIT);
  expect(readInRoot(temporary.path, "file", LIMIT - 1)).toBe(undefined);
});

test("treats a pipe, a directory and a link to /proc as missing", () => {
  using temporary = temporaryDirectory();
  execFileSync("mkfifo", [join(temporary.path, "pipe")]);
  mkdirSync(join(temporary.path, "directory"));
  symlinkSync("/proc/self/root/etc/passwd", join(temporary.path, "proc"));
  for (const name of ["pipe", "directory", "proc"]) expect(readInRoot(temporary.path, name, LIMIT)).toBe(undefined);
});

test("never enters a root that a guest replaced with a link", () => {
  using temporary = temporaryDirectory();
  const place = join(temporary.path, "c1");
  mkdirSync(join(place, "rootfs"), { recursive: true });
  mkdirSync(join(temporary.path, "outside/rootfs"), { recursive: true });
  writeFileSync(join(temporary.path, "outside/rootfs/file"), "secret");
  renameSync(place, `${place}-away`);
  symlinkSync("outside", place);
  expect(readInRoot(join(place, "rootfs"), "file", LIMIT)).toBe(undefined);
  mkdirSync(join(temporary.path, "c2"));
  symlinkSync("/etc", join(temporary.path, "c2/rootfs"));
  expect(readInRoot(join(temporary.path, "c2/rootfs"), "passwd", LIMIT)).toBe(undefined);
});
