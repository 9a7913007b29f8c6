import { spawnSync } from "node:child_process";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { rootInitrd } from "./root-initrd.ts";

const library = { type: "file", mode: 0o644, content: Buffer.from("library") } as const;
const TREE: Tree = new Map<string, TreeEntry>([
  ["usr/sbin/init", { type: "file", mode: 0o755, content: Buffer.from("first of all") }],
  ["usr", { type: "directory", mode: 0o755 }],
  ["usr/sbin", { type: "directory", mode: 0o755 }],
  ["sbin", { type: "symlink", target: "usr/sbin" }],
  ["tmp", { type: "directory", mode: 0o1777 }],
  ["a.so", library],
  ["b.so", library],
]);

const cpio = (args: readonly string[], input: Buffer) =>
  spawnSync("cpio", [...args, "--quiet", "-H", "newc"], { input }).stdout.toString();

describe("rootInitrd", () => {
  test("contains the whole tree, parents first, and /init, which is the root's init", async () => {
    const lines = cpio(["-tv", "-n"], gunzipSync(await rootInitrd(TREE)))
      .trim()
      .split("\n");
    const fields = lines.map((line) => line.split(/\s+/));
    expect(fields.map(([mode = "", , uid, gid, , , , , ...name]) => [mode, uid, gid, name.join(" ")])).toEqual([
      ["-rw-r--r--", "0", "0", "a.so"],
      ["-rw-r--r--", "0", "0", "b.so"],
      ["lrwxrwxrwx", "0", "0", "sbin -> usr/sbin"],
      ["drwxrwxrwt", "0", "0", "tmp"],
      ["drwxr-xr-x", "0", "0", "usr"],
      ["drwxr-xr-x", "0", "0", "usr/sbin"],
      ["-rwxr-xr-x", "0", "0", "usr/sbin/init"],
      ["lrwxrwxrwx", "0", "0", "init -> /sbin/init"],
    ]);
  });

  test("returns the content of files, also of hard links", async () => {
    const archive = gunzipSync(await rootInitrd(TREE));
    expect(cpio(["-i", "--to-stdout", "usr/sbin/init"], archive)).toBe("first of all");
    expect(cpio(["-i", "--to-stdout", "[ab].so"], archive)).toBe("librarylibrary");
  });

  test("gives equal bytes for a tree in another order", async () => {
    const turned: Tree = new Map([...TREE].toReversed());
    expect((await rootInitrd(turned)).equals(await rootInitrd(TREE))).toBe(true);
  });
});
