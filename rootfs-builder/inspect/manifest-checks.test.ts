import { describe, expect, test } from "vitest";
import { describeTree } from "../manifest/describe-tree.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import type { Inspected } from "./inspect-file.ts";
import { manifestChecks } from "./manifest-checks.ts";

const BUILT: Tree = new Map<string, TreeEntry>([
  ["usr", { type: "directory", mode: 0o755 }],
  ["usr/link", { type: "symlink", target: "file" }],
  ["usr/file", { type: "file", mode: 0o644, content: Buffer.from("text"), uid: 7 }],
]);
const MANIFEST: Manifest = { format: 1, version: "0.1.0", sources: [], files: describeTree(BUILT, []), boot: [] };

/** Returns the failed checks of a root that differs from the build. */
function failures(change: (tree: Tree) => unknown, kind = "EROFS"): readonly string[] {
  const tree = new Map(BUILT);
  change(tree);
  const inspected: Inspected = { file: "", kind, bytes: 0, sha256: "", checks: [], tree };
  return manifestChecks(inspected, MANIFEST)
    .filter(({ ok }) => !ok)
    .map(({ detail }) => detail);
}

function changed(fields: Partial<TreeEntry>) {
  return (tree: Tree) => tree.set("usr/file", { ...tree.get("usr/file"), ...fields } as TreeEntry);
}

test("accepts a root as it was built", () => {
  expect(failures(() => undefined)).toEqual([]);
});

test.each<[string, (tree: Tree) => unknown, string]>([
  ["different content", changed({ content: Buffer.from("next") }), "/usr/file: different content"],
  ["another mode", changed({ mode: 0o4755 }), "/usr/file: mode 4755, not 0644"],
  ["another owner", changed({ uid: 0 }), "/usr/file: owner of root, not 7:0"],
  ["a file that is gone", (tree) => tree.delete("usr/file"), "/usr/file: missing"],
  [
    "an additional file",
    (tree) => tree.set("usr/new\n", { type: "symlink", target: "" }),
    "/usr/new\\n: not in the manifest",
  ],
  ["another target", (tree) => tree.set("usr/link", { type: "symlink", target: "x" }), "/usr/link: target x, not file"],
  [
    "another type",
    (tree) => tree.set("usr/link", { type: "directory", mode: 0 }),
    "/usr/link: a directory, not a symlink",
  ],
])("reports %s", (_what, change, line) => {
  expect(failures(change)).toEqual([line]);
});

test("does not compare owners if the image format has none", () => {
  expect(failures(changed({ uid: 0 }), "squashfs")).toEqual([]);
});

describe("a manifest with an initramfs", () => {
  const [list, init] = ["/lib/modules/a.ko\n", "program"].map(
    (text): TreeEntry => ({ type: "file", mode: 0o444, content: Buffer.from(text) }),
  );
  if (list === undefined || init === undefined) throw new Error("no entries");
  const initramfs: Tree = new Map([
    ["lib", { type: "directory", mode: 0o755 }],
    ["init", init],
    ["guestd-modules", list],
  ]);
  const boot = describeTree(initramfs, [])
    .filter(({ type }) => type === "file")
    .map((one) => ({ ...one, path: `initrd.cpio:${one.path}` }));
  const root: Tree = new Map<string, TreeEntry>([
    ["etc", { type: "directory", mode: 0o755 }],
    ["etc/file", { type: "file", mode: 0o644, content: Buffer.from("text") }],
    ["lib", { type: "symlink", target: "usr/lib" }],
  ]);
  const manifest: Manifest = { ...MANIFEST, files: describeTree(root, []), boot };
  const checks = (kind: string, tree: Tree) =>
    manifestChecks({ file: "", kind, bytes: 0, sha256: "", checks: [], tree }, manifest).map(({ detail }) => detail);

  test("compares a root with the root's files, even without /usr", () => {
    for (const kind of ["EROFS", "squashfs", "initramfs (gzip)"])
      expect(checks(kind, root), kind).toEqual(["3 entries with their digests"]);
    expect(checks("initramfs (gzip)", new Map([...initramfs, ...root]))).toEqual(["4 entries with their digests"]);
  });

  test("compares the initramfs with its own files", () => {
    expect(checks("initramfs (gzip)", initramfs)).toEqual(["2 entries with their digests"]);
    expect(checks("initramfs (gzip)", new Map([...initramfs, ["evil", init]]))).toEqual(["/evil: not in the manifest"]);
  });

  describe("and a second one in its own folder", () => {
    const changedList: TreeEntry = { type: "file", mode: 0o444, content: Buffer.from("/lib/b.ko\n") };
    const other: Tree = new Map(initramfs).set("guestd-modules", changedList);
    const more = describeTree(other, [])
      .filter(({ type }) => type === "file")
      .map((one) => ({ ...one, path: `qemu/initrd.cpio:${one.path}` }));
    const kernels = ["vmlinuz", "qemu/vmlinuz", "kata/vmlinux"].map((path, at) => {
      return { path, type: "file", sha256: String(at), part: "kernel" } as const;
    });
    const both = { ...manifest, boot: [...boot, ...more, ...kernels] };
    const told = (file: string, tree: Tree) =>
      manifestChecks({ file, kind: "initramfs (gzip)", bytes: 0, sha256: "", checks: [], tree }, both).map(
        ({ detail }) => detail,
      );

    test("compares each with the files of its folder", () => {
      expect(told("/build/qemu/initrd", other)).toEqual(["2 entries with their digests"]);
      expect(told("/build/image/initrd", initramfs)).toEqual(["2 entries with their digests"]);
      expect(told("/build/image/initrd", other)).toEqual(["/guestd-modules: different content"]);
    });

    test("compares one from elsewhere with the closest match", () => {
      for (const tree of [initramfs, other]) expect(told("/x/initrd", tree)).toEqual(["2 entries with their digests"]);
      expect(told("/x/initrd", new Map([...other, ["evil", init]]))).toEqual(["/evil: not in the manifest"]);
    });

    test("compares kernels in the same way", () => {
      const kernel = (file: string, sha256: string) =>
        manifestChecks({ file, kind: "kernel", bytes: 0, sha256, checks: [] }, both).map(({ detail }) => detail);
      expect(kernel("/build/image/vmlinuz", "0")).toEqual(["same kernel"]);
      expect(kernel("/build/image/vmlinuz", "1")).toEqual(["different kernel"]);
      expect(kernel("/x/vmlinuz", "2")).toEqual(["same kernel"]);
      expect(kernel("/x/vmlinuz", "3")).toEqual(["different kernel"]);
    });
  });
});
