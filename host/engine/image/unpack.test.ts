import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lstat } from "../../../image/resolve-in-root.ts";
import { directory, file, hardLink, layerOf, layerOfBytes, symlink } from "../../../image/testing/layers.ts";
import { temporaryDirectory, treeOf } from "../../../image/testing/tree.ts";
import { type LayerEntry, packTar } from "../../../image/write-layout.ts";
import { isRoot } from "../../../lib/is-root.ts";
import { type UnpackOptions, unpack } from "./unpack.ts";

/** Unpacks layers of entries and returns the resulting tree. */
async function treeFrom(layers: readonly (readonly LayerEntry[])[], options?: UnpackOptions) {
  using temporary = temporaryDirectory();
  const root = join(temporary.path, "root");
  const report = await unpack({ layers: await Promise.all(layers.map(layerOf)) }, root, options);
  const stat = (path: string) => {
    const found = lstat(join(root, path));
    if (found === undefined) throw new Error(`${path} is missing`);
    return found;
  };
  const names = ["a", "b", "dir", "dir/f", "link", "node", "d"].filter((name) => lstat(join(root, name)) !== undefined);
  return { tree: treeOf(root), report, stats: Object.fromEntries(names.map((name) => [name, stat(name)])) };
}

test("unpacks files, directories, links and missing parents", async () => {
  const { tree, stats } = await treeFrom([
    [
      directory("dir/"),
      file("dir/f", "text"),
      symlink("link", "/etc/x"),
      hardLink("b", "dir/f"),
      file("./x/y/z", "deep"),
    ],
  ]);
  expect(tree).toEqual({
    "dir/": "",
    "dir/f": "text",
    link: "-> /etc/x",
    b: "text",
    "x/": "",
    "x/y/": "",
    "x/y/z": "deep",
  });
  expect(stats["b"]?.ino).toBe(stats["dir/f"]?.ino);
});

test("keeps modes, set-id and sticky bits and times in any order", async () => {
  const { stats } = await treeFrom([[directory("dir", 0o1555), file("dir/f", "x", 0o4755), file("a", "", 0o400)]]);
  expect([stats["dir"], stats["dir/f"], stats["a"]].map((s) => (s?.mode ?? 0) & 0o7777)).toEqual([
    0o1555, 0o4755, 0o400,
  ]);
  expect(stats["dir"]?.mtimeMs).toBe(0);
  expect(stats["dir/f"]?.mtimeMs).toBe(0);
});

test("a later layer replaces files and changes a directory's mode but not its files", async () => {
  const { tree, stats } = await treeFrom([
    [directory("dir", 0o755), file("dir/f", "old"), file("a", "old"), directory("b"), file("b/inner", "x")],
    [directory("dir", 0o700), file("a", "new"), file("b", "now a file")],
  ]);
  expect(tree).toEqual({ "dir/": "", "dir/f": "old", a: "new", b: "now a file" });
  expect((stats["dir"]?.mode ?? 0) & 0o777).toBe(0o700);
});

test("a file that replaces one of two hard links keeps the other", async () => {
  const { tree } = await treeFrom([[file("a", "old"), hardLink("b", "a")], [file("a", "new")]]);
  expect(tree).toEqual({ a: "new", b: "old" });
});

test("a whiteout removes a file or a tree of lower layers", async () => {
  const { tree } = await treeFrom([
    [file("a"), directory("dir"), file("dir/f"), file("dir/deep/g"), file("keep")],
    [file(".wh.a"), file(".wh.dir"), file("other/.wh.nothing")],
  ]);
  expect(tree).toEqual({ keep: "" });
});

test("an opaque whiteout hides files of lower layers but not of its own, in either order", async () => {
  const lower = [directory("d"), file("d/old"), file("d/sub/old"), file("d/both/old")];
  const upper = [file("d/new", "n"), file("d/both/new", "n")];
  for (const layer of [
    [...upper, file("d/.wh..wh..opq")],
    [file("d/.wh..wh..opq"), ...upper],
  ]) {
    const { tree } = await treeFrom([lower, layer]);
    expect(tree).toEqual({ "d/": "", "d/both/": "", "d/both/new": "n", "d/new": "n" });
  }
});

test("an opaque whiteout keeps files of its own layer below directories that only earlier layers list", async () => {
  const { tree } = await treeFrom([
    [directory("a"), file("a/lower")],
    [file("a/b/own"), file(".wh..wh..opq")],
  ]);
  expect(tree).toEqual({ "a/": "", "a/b/": "", "a/b/own": "" });
});

test("a whiteout keeps a file of its own layer", async () => {
  const { tree } = await treeFrom([[file("a", "old")], [file("a", "new"), file(".wh.a")]]);
  expect(tree).toEqual({ a: "new" });
});

test("ignores aufs bookkeeping and refuses an invalid whiteout", async () => {
  expect((await treeFrom([[file(".wh..wh.plnk"), file(".wh..wh.aufs")]])).tree).toEqual({});
  for (const name of [".wh.", ".wh..", ".wh..."]) {
    await expect(treeFrom([[file("a")], [file(name)]])).rejects.toThrow("is not a valid whiteout");
  }
});

test("follows a parent that is a link of a lower layer inside the root", async () => {
  const { tree } = await treeFrom([
    [directory("usr/lib"), symlink("lib", "usr/lib"), symlink("abs", "/usr"), symlink("up", "../../../usr")],
    [file("lib/a", "1"), file("abs/b", "2"), file("up/c", "3")],
  ]);
  expect(tree).toMatchObject({ "usr/lib/a": "1", "usr/b": "2", "usr/c": "3", lib: "-> usr/lib" });
});

test("a directory entry replaces a link, as in an overlay", async () => {
  const { tree } = await treeFrom([
    [directory("usr/lib"), symlink("lib", "usr/lib")],
    [directory("lib"), file("lib/x")],
  ]);
  expect(tree).toEqual({ "lib/": "", "lib/x": "", "usr/": "", "usr/lib/": "" });
});

test("without owners, skips devices with a note and creates named pipes", async () => {
  const device = { name: "node", type: "character-device", devmajor: 1, devminor: 3 } as const;
  const pipe = { name: "a", type: "fifo", mode: 0o600 } as const;
  const { tree, report } = await treeFrom([[device, pipe]], { keepOwners: false });
  expect(tree).toEqual({ a: "special" });
  expect(report.notes).toEqual([
    "devices, which only root can create: left out (1)",
    "owners of files: all files are yours, as only root can change owners",
  ]);
});

test.runIf(isRoot())("keeps owners and creates devices (needs root)", async () => {
  const device = {
    name: "node",
    type: "character-device",
    devmajor: 1,
    devminor: 3,
    mode: 0o666,
    uid: 5,
    gid: 6,
  } as const;
  const { stats, report } = await treeFrom([
    [device, { ...file("a", "x", 0o6755), uid: 1000, gid: 1001 }, { ...symlink("link", "a"), uid: 7, gid: 8 }],
  ]);
  expect(report.notes).toEqual([]);
  expect(stats["a"]).toMatchObject({ uid: 1000, gid: 1001 });
  expect((stats["a"]?.mode ?? 0) & 0o7777).toBe(0o6755);
  expect(stats["link"]).toMatchObject({ uid: 7, gid: 8 });
  expect(stats["node"]).toMatchObject({ uid: 5, gid: 6, rdev: 0x103 });
});

test("skips extended attributes with a note", async () => {
  const pax = { "SCHILY.xattr.security.capability": "x" };
  const { report } = await treeFrom([[{ ...file("a"), pax }]], { keepOwners: false });
  expect(report.notes).toContain("extended attributes: left out (1)");
});

test("refuses a directory that isn't empty", async () => {
  using temporary = temporaryDirectory();
  writeFileSync(join(temporary.path, "mine"), "");
  await expect(unpack({ layers: [] }, temporary.path)).rejects.toThrow("the directory is not empty");
});

test("rejects a truncated layer", async () => {
  using temporary = temporaryDirectory();
  const tar = await packTar([file("a", "x".repeat(5000))]);
  const layers = [layerOfBytes(tar.subarray(0, 3000))];
  await expect(unpack({ layers }, join(temporary.path, "r"))).rejects.toThrow(/entry "a": Unexpected end of data$/);
});

test("refuses layers that need more than the limit, all together", async () => {
  using temporary = temporaryDirectory();
  const layers = [await layerOf([file("a", "x".repeat(600_000))]), await layerOf([file("b", "x".repeat(600_000))])];
  await unpack({ layers }, join(temporary.path, "small"), { maxBytes: 2 << 20 });
  await expect(unpack({ layers }, join(temporary.path, "large"), { maxBytes: 1 << 20 })).rejects.toThrow(
    /^unpack layer sha256:\w+: entry "b": its layers need more than 1 MiB; raise GUESTCTL_IMAGE_LIMIT$/,
  );
});

test("stops when aborted", async () => {
  using temporary = temporaryDirectory();
  const signal = AbortSignal.abort(new Error("stop"));
  await expect(unpack({ layers: [await layerOf([file("a")])] }, temporary.path, { signal })).rejects.toThrow("stop");
});

test("unpacks 1000 small files and one of 8 MiB", async () => {
  using temporary = temporaryDirectory();
  mkdirSync(join(temporary.path, "r"));
  const many = Array.from({ length: 1000 }, (_, n) => file(`d${n % 10}/f${n}`, `${n}`));
  let bytes = 0;
  const layers = [await layerOf([...many, file("big", "y".repeat(8 << 20))])];
  await unpack({ layers }, join(temporary.path, "r"), { onProgress: (n) => (bytes = n) });
  expect(statSync(join(temporary.path, "r/big")).size).toBe(8 << 20);
  expect(bytes).toBe(layers[0]?.size);
});
