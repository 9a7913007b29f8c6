import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { realFiles } from "./files.ts";
import { leavesNoDescriptors } from "./testing/leaves-no-descriptors.ts";

leavesNoDescriptors();
let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "files-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const modeOf = (path: string) => statSync(path).mode & 0o777;

test.each([
  [4, undefined],
  [5, "12345"],
  [6, "12345"],
])("a text of five bytes is read if the limit is at least that (%i)", async (limit, text) => {
  const path = join(directory, "file");
  writeFileSync(path, "12345");
  expect(await realFiles.readAtMost(path, limit)).toBe(text);
});

test("a file that comes in pieces is read whole", async () => {
  expect(await realFiles.readAtMost("/proc/self/mounts", 1 << 20)).toBe(realFiles.mounts());
});

test("an existing file is written, and none is made", () => {
  const path = join(directory, "file");
  expect(() => realFiles.writeText(path, "new")).toThrow("ENOENT");
  writeFileSync(path, "old");
  realFiles.writeText(path, "new");
  expect(realFiles.readText(path)).toBe("new");
});

test("a file is replaced whole, for the agent's user alone unless a mode is given", () => {
  const path = join(directory, "file");
  writeFileSync(path, "a longer text");
  realFiles.replace(path, "new");
  expect([readFileSync(path, "utf8"), modeOf(path)]).toEqual(["new", 0o600]);
  realFiles.replace(path, "new", 0o644);
  expect(modeOf(path)).toBe(0o644);
  expect(realFiles.list(directory)).toEqual(["file"]);
});

test("a file that can't be replaced is named, and nothing is left", () => {
  const path = join(directory, "folder");
  mkdirSync(path);
  expect(() => realFiles.replace(path, "new")).toThrow(`write ${path}: EISDIR`);
  expect(realFiles.list(directory)).toEqual(["folder"]);
  expect(() => realFiles.replace(join(directory, "none/file"), "new")).toThrow("none/file: ENOENT");
  expect(() => realFiles.replace(path, undefined as unknown as string)).toThrow(TypeError);
});

test("a directory is made with those above it, and one that exists keeps its mode", () => {
  const path = join(directory, "a/b");
  realFiles.makeDirectory(path, 0o700);
  expect(modeOf(path)).toBe(0o700);
  chmodSync(path, 0o750);
  realFiles.makeDirectory(path);
  expect(modeOf(path)).toBe(0o750);
  writeFileSync(join(directory, "file"), "");
  expect(() => realFiles.makeDirectory(join(directory, "file/below"))).toThrow("ENOTDIR");
});

test("a directory is removed when it is empty, a tree with what is in it, a missing one in silence", () => {
  const path = join(directory, "a/b");
  realFiles.makeDirectory(path);
  expect(() => realFiles.removeDirectory(join(directory, "a"))).toThrow("ENOTEMPTY");
  realFiles.removeDirectory(path);
  expect(existsSync(path)).toBe(false);
  realFiles.makeDirectory(path);
  realFiles.removeTree(join(directory, "a"));
  realFiles.removeTree(join(directory, "a"));
  expect(existsSync(join(directory, "a"))).toBe(false);
});

test("sizes of a file system are in bytes", async () => {
  const { blocks, bsize, files } = statfsSync("/proc");
  expect(await realFiles.statfs("/proc")).toEqual({
    total: blocks * bsize,
    free: 0,
    available: 0,
    files,
    filesFree: 0,
  });
  const tmp = await realFiles.statfs(directory);
  const same = statfsSync(directory);
  expect(tmp.total).toBe(same.blocks * same.bsize);
  expect([tmp.free > 0, tmp.available <= tmp.free, tmp.filesFree <= tmp.files]).toEqual([true, true, true]);
});

test("a file that is rewritten keeps its inode, and has no more than the new text", () => {
  const path = join(directory, "file");
  writeFileSync(path, "a longer text");
  const { ino } = statSync(path);
  realFiles.rewrite(path, "short");
  expect([readFileSync(path, "utf8"), statSync(path).ino]).toEqual(["short", ino]);
  expect(() => realFiles.rewrite(join(directory, "none"), "text")).toThrow("ENOENT");
});
