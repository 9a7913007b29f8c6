import { execFileSync } from "node:child_process";
import { mkdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  directory,
  file,
  hardLink,
  headerOf,
  layerOf,
  layerOfBytes,
  symlink,
  xattrRecord,
} from "../../../image/testing/layers.ts";
import { temporaryDirectory, treeOf } from "../../../image/testing/tree.ts";
import { type LayerEntry, packTar } from "../../../image/write-layout.ts";
import { isRoot } from "../../../lib/is-root.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { unpackImage } from "./unpack-image.ts";

const sys = openSys();
const signal = new AbortController().signal;

async function unpacked(layers: readonly (readonly LayerEntry[])[]) {
  const temporary = temporaryDirectory();
  const root = join(temporary.path, "root");
  mkdirSync(root);
  await unpackImage(sys, { layers: await Promise.all(layers.map(layerOf)) }, root, signal);
  return { root, at: (path: string) => join(root, path), [Symbol.dispose]: () => temporary[Symbol.dispose]() };
}

test.runIf(isRoot())("owners, modes, links, pipes and devices are those of the image (as root)", async () => {
  using image = await unpacked([
    [
      { ...directory("d", 0o1777), uid: 5, gid: 6 },
      { ...file("d/f", "text", 0o4751), uid: 1000, gid: 100 },
      hardLink("h", "d/f"),
      { ...symlink("l", "/etc/passwd"), uid: 7, gid: 8 },
      { name: "p", type: "fifo", mode: 0o640 },
      { name: "c", type: "character-device", mode: 0o666, devmajor: 1, devminor: 3 },
    ],
  ]);
  const shown = execFileSync("stat", ["-c", "%n %F %a %u %g %t,%T %h", "d", "d/f", "h", "l", "p", "c"], {
    cwd: image.root,
    encoding: "utf8",
  });
  expect(shown.trim().split("\n")).toEqual([
    "d directory 1777 5 6 0,0 2",
    "d/f regular file 4751 1000 100 0,0 2",
    "h regular file 4751 1000 100 0,0 2",
    "l symbolic link 777 7 8 0,0 1",
    "p fifo 640 0 0 0,0 1",
    "c character special file 666 0 0 1,3 1",
  ]);
});

/** cap_setuid; its bytes are not valid UTF-8. */
const CAPABILITY = Buffer.from("0100000280000000000000000000000000000000", "hex");

test.runIf(isRoot())(
  "file capabilities are kept byte for byte, and attributes that affect the guest are dropped (as root)",
  async () => {
    const pax = Buffer.concat([
      xattrRecord("security.capability", CAPABILITY),
      xattrRecord("trusted.overlay.opaque", Buffer.from("y")),
    ]);
    const tar = Buffer.concat([await headerOf("x", pax), await packTar([file("f", "x"), file("g", "x")])]);
    using temporary = temporaryDirectory();
    const root = join(temporary.path, "root");
    mkdirSync(root);
    await unpackImage(sys, { layers: [layerOfBytes(tar)] }, root, signal);
    const script = `import os; print([(n, os.getxattr(f, n).hex()) for f in ("f", "g") for n in os.listxattr(f)])`;
    const shown = execFileSync("python3", ["-c", script], { cwd: root, encoding: "utf8" });
    expect(shown.trim()).toBe(`[('security.capability', '${CAPABILITY.toString("hex")}')]`);
  },
);

test.runIf(isRoot())(
  "an opaque directory hides all entries of lower layers, and a whiteout hides one name (as root)",
  async () => {
    using image = await unpacked([
      [directory("d"), file("d/a", "1"), directory("d/e"), file("d/e/x", "1"), file("keep", "1"), file("gone", "1")],
      [file("d/new", "2"), file("d/.wh..wh..opq"), file(".wh.gone")],
    ]);
    expect(treeOf(image.root)).toEqual({ "d/": "", "d/new": "2", keep: "1" });
    expect(statSync(image.at("d")).isDirectory()).toBe(true);
  },
);

test.runIf(isRoot())("directories implied by long names leave the guest enough inodes (as root)", async () => {
  using temporary = temporaryDirectory();
  execFileSync("mount", ["-t", "tmpfs", "-o", "nr_inodes=4000", "none", temporary.path]);
  try {
    const layer = await layerOf(Array.from({ length: 60 }, (_, at) => file(`d${at}/${"a/".repeat(100)}f`)));
    await expect(unpackImage(sys, { layers: [layer] }, temporary.path, signal)).rejects.toThrow("no space is left");
    const { ffree } = statfsSync(temporary.path);
    expect(ffree).toBeGreaterThan(400);
    expect(ffree).toBeLessThan(1100);
  } finally {
    execFileSync("umount", [temporary.path]);
  }
});

test.runIf(isRoot())("a layer larger than the free space leaves the guest its reserve (as root)", async () => {
  using temporary = temporaryDirectory();
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=32m", "none", temporary.path]);
  try {
    const layer = await layerOf(Array.from({ length: 40 }, (_, at) => file(`f${at}`, "x".repeat(1 << 20))));
    await expect(unpackImage(sys, { layers: [layer] }, temporary.path, signal)).rejects.toThrow("no space is left");
    const { bavail, bsize } = statfsSync(temporary.path);
    expect(bavail * bsize).toBeGreaterThan(10 << 20);
    expect(bavail * bsize).toBeLessThan(17 << 20);
  } finally {
    execFileSync("umount", [temporary.path]);
  }
});

test("a layer with too many entries is refused, and other work continues meanwhile", { timeout: 300_000 }, async () => {
  using temporary = temporaryDirectory();
  const root = join(temporary.path, "root");
  mkdirSync(root);
  const one = await packTar([directory("./"), directory("./")]);
  const block = Buffer.concat(Array.from({ length: 512 }, () => one.subarray(0, 1024)));
  async function* open() {
    for (let at = 0; at < 1000; at++) yield block;
  }
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const layers = [{ ...(await layerOf([])), open }];
  await expect(unpackImage(sys, { layers }, root, signal)).rejects.toThrow(
    /^unpack layer sha256:\w+: .*too many entries/,
  );
  clearInterval(timer);
  expect(turns).toBeGreaterThan(20);
});
