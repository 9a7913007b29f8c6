import { execFile } from "node:child_process";
import { link, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MAX_TARGET } from "../tree/check-entry.ts";
import { privilegedFiles } from "../tree/privileged-files.ts";
import { readExt4 } from "./read-ext4.ts";

const execute = promisify(execFile);

describe("readExt4", () => {
  let directory = "";
  let root = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-ext4-"));
    root = join(directory, "root");
    await mkdir(root);
  });
  afterEach(() => rm(directory, { recursive: true }));

  async function image(...commands: readonly string[]): Promise<Buffer> {
    const file = join(directory, "image");
    await execute("mke2fs", ["-q", "-t", "ext4", "-d", root, file, "4m"]);
    for (const command of commands) await execute("debugfs", ["-w", "-R", command, file]);
    return readFile(file);
  }

  test("reads names that no command line accepts, hard links, and links of any length", async () => {
    const [short, long] = ["x".repeat(59), "x".repeat(60)];
    for (const name of ['a "b"', "one\ntwo", "naïve"]) await writeFile(join(root, name), name);
    await link(join(root, "naïve"), join(root, "other"));
    for (const target of [short, long]) await symlink(target, join(root, `to${target.length}`));
    const tree = await readExt4(await image());
    const texts = [...tree].map(([path, entry]) => [
      path,
      entry.type === "file" ? entry.content.toString() : entry.type === "symlink" ? entry.target : entry.type,
    ]);
    expect(Object.fromEntries(texts)).toEqual({
      'a "b"': 'a "b"',
      "lost+found": "directory",
      naïve: "naïve",
      "one\ntwo": "one\ntwo",
      other: "naïve",
      to59: short,
      to60: long,
    });
    expect(tree.get("other")).toBe(tree.get("naïve"));
  });

  test("reads modes, and owners of more than 16 bits", async () => {
    await writeFile(join(root, "a"), "1");
    const bytes = await image("sif a uid 70000", "sif a gid 70001", "sif a mode 0106711");
    expect((await readExt4(bytes)).get("a")).toMatchObject({ uid: 70_000, gid: 70_001, mode: 0o6711 });
  });

  test("reads capabilities of the files that have them", async () => {
    for (const name of ["a", "b"]) await writeFile(join(root, name), "1");
    const tree = await readExt4(await image("ea_set b security.capability value", "ea_set a user.x y"));
    expect(tree.get("b")?.xattrs).toEqual(new Map([["security.capability", Buffer.from("value")]]));
    expect(tree.get("a")?.xattrs).toBeUndefined();
    expect(privilegedFiles(tree)).toEqual(["b: file capabilities"]);
    await execute("mke2fs", ["-q", "-t", "ext4", "-O", "ea_inode", "-d", root, join(directory, "other"), "4m"]);
    await expect(readExt4(await readFile(join(directory, "other")))).rejects.toThrow(
      "ext4: extended attributes in separate inodes (ea_inode) are not supported",
    );
  });

  test("refuses a directory that contains itself", async () => {
    await mkdir(join(root, "a"));
    await expect(readExt4(await image("link / a/b"))).rejects.toThrow("ext4: e2fsck -fn finds errors");
  });

  test("refuses a device, an invalid inode, and files larger than the limit", async () => {
    await writeFile(join(root, "a"), "1");
    await expect(readExt4(await image("mknod d c 1 3"))).rejects.toThrow("is a device, a pipe or a socket");
    const bytes = await image();
    bytes.writeUInt32LE(9_999_999, bytes.indexOf("lost+found") - 8);
    await expect(readExt4(bytes)).rejects.toThrow(/^ext4: e2fsck -fn finds errors: [^\n]*$/);
    await truncate(join(root, "a"), 2 ** 31);
    await expect(readExt4(await image())).rejects.toThrow("ext4: its files have more than 2 GiB");
  });

  test("refuses a link longer than the kernel allows", async () => {
    await symlink("x".repeat(60), join(root, "a"));
    const bytes = await image(`sif a size ${MAX_TARGET + 1}`);
    await expect(readExt4(bytes)).rejects.toThrow("ext4: e2fsck -fn finds errors");
  });
});
