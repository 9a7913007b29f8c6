import { describe, expect, test } from "vitest";
import { applyLayers } from "../../image/apply-layers.ts";
import { directory, file, hardLink, layerOf, layerOfBytes, symlink } from "../../image/testing/layers.ts";
import { type LayerEntry, packTar } from "../../image/write-layout.ts";
import type { Tree, TreeEntry } from "./tree.ts";
import { type OverlayOptions, TreeOverlay } from "./tree-overlay.ts";

/** Applies layers to a tree, lowest first. */
async function apply(layers: readonly (readonly LayerEntry[])[], options?: OverlayOptions, tree: Tree = new Map()) {
  await applyLayers(await Promise.all(layers.map(layerOf)), new TreeOverlay(tree, options));
  return tree;
}

function texts(tree: Tree): Record<string, string> {
  const text = (path: string) => {
    const entry = tree.get(path);
    if (entry?.type === "file") return entry.content.toString();
    return entry?.type === "symlink" ? `-> ${entry.target}` : "/";
  };
  return Object.fromEntries([...tree.keys()].sort().map((path) => [path, text(path)]));
}

describe("layers on a tree", () => {
  const layers = { merge: "layers" } as const;

  test("keep owners, modes, extended attributes and hard links", async () => {
    const pax = { "SCHILY.xattr.user.a": "b" };
    const tree = await apply([
      [
        { ...file("a", "x", 0o4750), uid: 7, gid: 8, pax },
        hardLink("b", "a"),
        { ...directory("d", 0o1777), uid: 0, gid: 5 },
      ],
    ]);
    expect(tree.get("a")).toMatchObject({ type: "file", mode: 0o4750, uid: 7, gid: 8 });
    expect(tree.get("a")?.xattrs?.get("user.a")).toEqual(new Uint8Array(Buffer.from("b")));
    expect(tree.get("b")).toBe(tree.get("a"));
    expect(tree.get("d")).toEqual({ type: "directory", mode: 0o1777, gid: 5 });
  });

  test("hide lower entries by whiteouts, but not their own", async () => {
    const lower = [file("a/one", "1"), file("a/two", "2"), file("b/x/y", "3"), file("c", "4")];
    const upper = [file("a/new", "5"), file("a/.wh..wh..opq"), file("b/.wh.x"), file(".wh.c"), file("c", "6")];
    expect(texts(await apply([lower, upper], layers))).toEqual({ a: "/", "a/new": "5", b: "/", c: "6" });
  });

  test("are limited in the bytes of their content", async () => {
    const two = [[file("a", "12345")], [file("a", "67890")]];
    expect(texts(await apply(two, { ...layers, maxBytes: 14 }))).toEqual({ a: "67890" });
    await expect(apply(two, { ...layers, maxBytes: 13 })).rejects.toThrow(
      /entry "a": the image exceeds the limit of 13 bytes/,
    );
  });

  test("are scanned once, however many whiteouts there are", async () => {
    let looks = 0;
    class Watched extends Map<string, TreeEntry> {
      override keys() {
        looks += 1;
        return super.keys();
      }
    }
    const names = Array.from({ length: 50 }, (_, index) => `d/${index}`);
    const upper = names.map((name) => file(name.replace("/", "/.wh.")));
    const tree = await apply([names.map((name) => file(name)), upper, [file("d")]], layers, new Watched());
    expect([looks, [...tree.keys()]]).toEqual([1, ["d"]]);
  });

  test("can restore what they hide, in the same layer and the next", async () => {
    const hidden = [file("a/.wh.b"), file("a/b/new", "2"), file("a/.wh.b")];
    const next = [file("a/.wh.b"), file("a/b", "3")];
    expect(texts(await apply([[file("a/b/c", "1")], hidden], layers))).toEqual({ a: "/", "a/b": "/", "a/b/new": "2" });
    expect(texts(await apply([[file("a/b/c", "1")], hidden, next], layers))).toEqual({ a: "/", "a/b": "3" });
  });

  test("can replace any type with any other", async () => {
    const lower = [file("d/x", "1"), symlink("l", "d"), file("f", "2")];
    const upper = [file("d", "3"), directory("l"), file("l/y", "4"), directory("f")];
    expect(texts(await apply([lower, upper], layers))).toEqual({ d: "3", f: "/", l: "/", "l/y": "4" });
  });
});

describe("sources on a tree", () => {
  const base = () =>
    new Map([
      ["bin", { type: "symlink", target: "usr/bin" }],
      ["usr", { type: "directory", mode: 0o755 }],
      ["usr/bin", { type: "directory", mode: 0o755 }],
      ["abs", { type: "symlink", target: "/usr" }],
    ]) as Tree;

  test("follow links to directories, and keep the links", async () => {
    const tree = await apply([[directory("bin"), file("bin/a", "1"), file("abs/bin/b", "2")]], {}, base());
    expect(texts(tree)).toMatchObject({ bin: "-> usr/bin", "usr/bin/a": "1", "usr/bin/b": "2" });
  });

  test("can go below a path", async () => {
    const tree = await apply([[file("a", "1"), hardLink("b", "a"), file(".wh.c")]], { below: ["opt", "x"] });
    expect(texts(tree)).toEqual({ opt: "/", "opt/x": "/", "opt/x/a": "1", "opt/x/b": "1" });
  });

  test.each<[string, readonly LayerEntry[], string]>([
    ["goes up by ..", [file("../x", "1")], 'its name has ".." in it'],
    ["is linked to what is outside", [hardLink("a", "../../etc/shadow")], 'its name has ".." in it'],
    ["is linked to what is not there", [hardLink("a", "etc/shadow")], "a hard link to /etc/shadow, which is missing"],
    ["is linked to a directory", [hardLink("a", "usr")], "a hard link to /usr, which is a directory"],
    ["goes up through a link", [symlink("up", "../.."), file("up/x")], "up → ../.., which leads out of the image"],
    [
      "goes out through a link",
      [symlink("out", "/tmp/x"), file("out/x")],
      "out → /tmp/x, which is not a directory in the",
    ],
    ["goes round in circles", [symlink("a", "b"), symlink("b", "a"), file("a/x")], "too many symbolic links"],
    ["goes through a file", [file("f"), file("f/x")], "it goes through f, which is a file"],
    ["replaces a directory", [file("usr", "1")], "it is a file, and would replace a directory"],
    ["replaces the root", [file("/")], "it would replace the root directory"],
    ["has a name that is not UTF-8", [file("a\ufffd")], "its name is not UTF-8"],
    ["is a link to what is not UTF-8", [symlink("l", "a\ufffd")], "its target is not UTF-8"],
    ["has a long name", [file("é".repeat(128), "1")], "a name in it has 256 bytes, more than 255"],
    ["is far down", [file(`${"x".repeat(200)}/`.repeat(16))], "its path has more than 3072 bytes"],
    ["has a long target", [symlink("l", "x".repeat(4096))], "its target has 4096 bytes, more than 4095"],
    ["has no target", [symlink("l", "")], "its target is empty"],
    ["is a device", [{ name: "d", type: "block-device", devmajor: 8, devminor: 0 }], "it is a device: only files"],
    ["is a pipe", [{ name: "p", type: "fifo" }], "it is a named pipe: only files"],
  ])("refuse an entry that %s", async (_what, entries, message) => {
    const refusal = apply([entries], {}, base());
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.toThrow(/^[^\n]+$/);
  });

  test("are refused beyond the limits for entries, names, targets and attributes", async () => {
    const few = { merge: "layers", maxEntries: 3 } as const;
    expect((await apply([[file("a/b/c"), file("a/b/c")]], few)).size).toBe(3);
    await expect(apply([[file("a/b/c"), file("d")]], few)).rejects.toThrow(
      'entry "d": the image exceeds the limit of 3 entries',
    );
    const pax = { "SCHILY.xattr.user.a": "x".repeat(50) };
    for (const entry of [file("x".repeat(50)), symlink("l", "x".repeat(50)), { ...file("f"), pax }])
      await expect(apply([[entry, hardLink("a", entry.name)]], { merge: "layers", maxBytes: 52 })).rejects.toThrow(
        /the image exceeds the limit of 52 bytes, which are merged in memory$/,
      );
  });

  test("are refused if links resolve through too many names", async () => {
    const round = (name: string, next: string) => symlink(name, `${"usr/../".repeat(300)}${next}`);
    const rounds = [round("a", "b"), round("b", "c"), round("c", "d"), file("a/f")];
    await expect(apply([rounds], {}, base())).rejects.toThrow("/a resolves through more than 1024 names");
  });

  test("are refused if decoding makes two names equal", async () => {
    const tar = Buffer.from((await packTar([file("a1", "1"), file("a2", "2")])).toString("latin1"), "latin1");
    for (const [at, byte] of [
      [0, 0xfe],
      [1024, 0xff],
    ] as const) {
      tar[at + 1] = byte;
      tar.fill(" ", at + 148, at + 156);
      const sum = tar.subarray(at, at + 512).reduce((total, one) => total + one, 0);
      tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
    }
    await expect(applyLayers([layerOfBytes(tar)], new TreeOverlay(new Map()))).rejects.toThrow(
      /entry "a\ufffd": its name is not UTF-8$/,
    );
  });
});
