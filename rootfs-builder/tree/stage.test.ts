import { chmod, lstat, mkdtemp, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { stage } from "./stage.ts";
import type { Tree, TreeEntry } from "./tree.ts";

describe("stage", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-stage-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  test("writes files, links and directories with their modes, in any order", async () => {
    const file: TreeEntry = { type: "file", mode: 0o666, content: Buffer.from("text") };
    const tree: Tree = new Map<string, TreeEntry>([
      ["closed/linked", file],
      ["a-link", { type: "symlink", target: "/nowhere" }],
      ["closed/file", file],
      ["closed", { type: "directory", mode: 0o555 }],
      ["tmp", { type: "directory", mode: 0o1777 }],
    ]);
    await stage(tree, directory);
    const status = (path: string) => lstat(join(directory, path));
    expect((await status("closed")).mode & 0o7777).toBe(0o555);
    expect((await status("tmp")).mode & 0o7777).toBe(0o1777);
    expect((await status("closed/file")).mode & 0o7777).toBe(0o666);
    expect((await status("closed/file")).ino).toBe((await status("closed/linked")).ino);
    expect(await readFile(join(directory, "closed/linked"), "utf8")).toBe("text");
    expect(await readlink(join(directory, "a-link"))).toBe("/nowhere");
    expect((await lstat(directory)).mode & 0o7777).toBe(0o755);
    await chmod(join(directory, "closed"), 0o755);
  });

  test("never overwrites existing files", async () => {
    const tree: Tree = new Map([["file", { type: "file", mode: 0o644, content: Buffer.from("text") }]]);
    await stage(tree, directory);
    await expect(stage(tree, directory)).rejects.toThrow("EEXIST");
  });
});
