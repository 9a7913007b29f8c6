import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { directory, file, hardLink, layerOf, symlink } from "../../../../image/testing/layers.ts";
import { temporaryDirectory, treeOf } from "../../../../image/testing/tree.ts";
import type { LayerEntry } from "../../../../image/write-layout.ts";
import { isRoot } from "../../../../lib/is-root.ts";
import { readErofs } from "../../../../rootfs-builder/inspect/read-erofs.ts";
import { mayMount, whyNoMounts } from "../../../testing/may-mount.ts";
import { DISK, makeBlockRoot, USERS } from "./make-block-root.ts";
import { extractedBlockRoot, fileSystemOf } from "./testing/extract-block-root.ts";

const LIMIT = 64 << 20;
/** Bytes of the header, and of a unit of the disk's size. */
const UNIT = 2 << 20;
const repository = join(import.meta.dirname, "../../../..");

async function layersOf(layers: readonly (readonly LayerEntry[])[]) {
  return { layers: await Promise.all(layers.map(layerOf)) };
}

async function made(...layers: readonly (readonly LayerEntry[])[]) {
  using root = temporaryDirectory();
  await extractedBlockRoot(await layersOf(layers), root.path);
  return treeOf(root.path);
}

test("applies layers like a directory", async () => {
  const long = "x".repeat(10_000);
  const tree = await made(
    [directory("a"), file("a/f", "lower"), file("a/g", long), symlink("l", "a/f"), directory("o"), file("o/low")],
    [file("a/.wh.f"), hardLink("h", "a/g"), file("b/c/d", "deep"), file("o/new"), file("o/.wh..wh..opq")],
    [file("l", "no link any more"), directory("h")],
  );
  expect(tree).toEqual({
    ...{ "a/": "", "a/g": long, "b/": "", "b/c/": "", "b/c/d": "deep" },
    ...{ "h/": "", l: "no link any more", "o/": "", "o/new": "" },
  });
});

test("writes directories of many blocks, and link targets that don't fit beside their inode", async () => {
  const names = Array.from({ length: 100 }, (_, at) => `${at}-${"n".repeat(200)}`);
  const target = "t".repeat(4095);
  const tree = await made([...names.map((name) => file(`d/${name}`, name)), symlink("l", target)]);
  expect(tree).toEqual({
    ...{ "d/": "", l: `-> ${target}` },
    ...Object.fromEntries(names.map((name) => [`d/${name}`, name])),
  });
});

test("keeps owners, modes, times and hard links, as another reader sees them", async () => {
  using work = temporaryDirectory();
  const source = await layersOf([
    [
      { name: "f", content: "x", mode: 0o4711, uid: 1000, gid: 100_000 },
      { name: "d", type: "directory", mode: 0o1770, uid: 65_534, gid: 5 },
      hardLink("d/g", "f"),
    ],
  ]);
  await makeBlockRoot(source, work.path, { limit: LIMIT });
  const { tree, inodes, size } = readErofs(readFileSync(fileSystemOf(work.path)));
  expect(tree.get("f")).toEqual({ type: "file", mode: 0o4711, uid: 1000, gid: 100_000, content: Buffer.from("x") });
  expect(tree.get("d")).toEqual({ type: "directory", mode: 0o1770, uid: 65_534, gid: 5 });
  expect(inodes.get("d/g")).toEqual(inodes.get("f"));
  expect(lstatSync(join(work.path, DISK)).size).toBe(Math.ceil(size / UNIT + 1) * UNIT);
});

const needsRoot = isRoot() ? "" : " (needs root)";

test.skipIf(!isRoot())(`makes the same disk as an ordinary user, with devices and pipes${needsRoot}`, async () => {
  using work = temporaryDirectory();
  const source = await layersOf([
    [
      { name: "f", content: "x", mode: 0o644, uid: 1000, gid: 100_000 },
      { name: "null", type: "character-device", mode: 0o666, devmajor: 1, devminor: 3 },
      { name: "disk", type: "block-device", mode: 0o660, gid: 6, devmajor: 259, devminor: 70_000 },
      { name: "pipe", type: "fifo", mode: 0o600 },
    ],
  ]);
  await makeBlockRoot(source, work.path, { limit: LIMIT });
  const root = join(work.path, "extracted");
  mkdirSync(root);
  spawnSync("fsck.erofs", [`--extract=${root}`, "--preserve", fileSystemOf(work.path)]);
  const numbers = spawnSync("stat", ["-c", "%n %F %t,%T %a %u:%g", "null", "disk", "pipe"], { cwd: root });
  expect(numbers.stdout.toString().split("\n")).toEqual([
    "null character special file 1,3 666 0:0",
    "disk block special file 103,11170 660 0:6",
    "pipe fifo 0,0 600 0:0",
    "",
  ]);

  const script = `
    import { createHash } from "node:crypto";
    import { mkdtempSync, readFileSync, rmSync } from "node:fs";
    import { join } from "node:path";
    const [repository] = process.argv.slice(1);
    const { DISK, makeBlockRoot } = await import(join(repository, "host/engine/image/disk/make-block-root.ts"));
    const { layerOfBytes } = await import(join(repository, "image/testing/layers.ts"));
    process.setgroups([]);
    process.setgid(65534);
    process.setuid(65534); // once everything is loaded, which may be where only root can read
    const own = mkdtempSync("/tmp/guestd-user-");
    await makeBlockRoot({ layers: [layerOfBytes(readFileSync(0))] }, own, { limit: ${LIMIT} });
    console.log(createHash("sha256").update(readFileSync(join(own, DISK))).digest("hex"));
    rmSync(own, { recursive: true });`;
  const [program, ...args] = [process.execPath, "--input-type=module", "--eval", script, repository];
  const input = Buffer.concat(await Array.fromAsync(source.layers[0]?.open() ?? []));
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8", input });
  const digest = createHash("sha256").update(readFileSync(join(work.path, DISK)));
  expect([stdout.trim(), stderr]).toEqual([digest.digest("hex"), ""]);
});

test("keeps the files that name users for the host, also behind links", async () => {
  using work = temporaryDirectory();
  const passwd = "root:x:0:0::/:/bin/sh\n";
  const source = await layersOf([
    [symlink("etc", "usr/etc"), file("usr/etc/real", passwd), symlink("usr/etc/passwd", "/etc/real")],
    [symlink("usr/etc/group", "../../../../etc/group")],
  ]);
  await makeBlockRoot(source, work.path, { limit: LIMIT });
  expect(treeOf(join(work.path, USERS))).toEqual({ "etc/": "", "etc/passwd": passwd });
});

test("keeps file capabilities and users' attributes, and no others", async () => {
  using work = temporaryDirectory();
  const pax = Object.fromEntries(
    ["security.capability", "user.note", "trusted.overlay.opaque", "security.selinux"].map((name) => [
      `SCHILY.xattr.${name}`,
      `value of ${name}`,
    ]),
  );
  const source = await layersOf([[{ name: "f", content: "x", mode: 0o644, pax }]]);
  await makeBlockRoot(source, work.path, { limit: LIMIT });
  const bytes = readFileSync(join(work.path, DISK)).toString("latin1");
  const has = (name: string) => bytes.includes(`value of ${name}`);
  expect([has("security.capability"), has("user.note")]).toEqual([true, true]);
  expect([has("trusted.overlay.opaque"), has("security.selinux")]).toEqual([false, false]);
});

test("takes a directory with its links, modes and times, and leaves out sockets", async () => {
  using work = temporaryDirectory();
  const [folder, root] = [join(work.path, "folder"), join(work.path, "extracted")];
  for (const each of [folder, root, join(folder, "d")]) mkdirSync(each);
  writeFileSync(join(folder, "d/f"), "content");
  chmodSync(join(folder, "d/f"), 0o640);
  spawnSync("sh", ["-c", 'cd "$0"; ln d/f g; ln -s /etc/passwd l; mkfifo pipe; touch -d @1000.5 d/f', folder]);
  await extractedBlockRoot({ folder }, root);
  expect(treeOf(root)).toEqual({ "d/": "", "d/f": "content", g: "content", l: "-> /etc/passwd", pipe: "special" });
  expect(lstatSync(join(root, "g")).mode & 0o777).toBe(0o640);
});

test("refuses more than its limit, which a small image can ask for, and names the entry", async () => {
  using work = temporaryDirectory();
  const source = await layersOf([[file("small"), file("bomb", "\0".repeat(2 << 20))]]);
  await expect(makeBlockRoot(source, work.path, { limit: 1 << 20 })).rejects.toThrow(
    /^unpack layer sha256:\w+: entry "bomb": its root needs more than 1 MiB; raise GUESTCTL_IMAGE_LIMIT$/,
  );
});

test.runIf(mayMount)(`reports a full disk in one line, at files and at directories${whyNoMounts}`, () => {
  const script = `
    import { mkdirSync } from "node:fs";
    import { join } from "node:path";
    const [repository, disk] = process.argv.slice(1);
    const { makeBlockRoot } = await import(join(repository, "host/engine/image/disk/make-block-root.ts"));
    const { layerOf, file, directory } = await import(join(repository, "image/testing/layers.ts"));
    const many = Array.from({ length: 3000 }, (_, at) => directory("d/" + "n".repeat(200) + at));
    for (const [name, entries] of [["a", [file("f", "x".repeat(4 << 20))]], ["b", many]]) {
      mkdirSync(join(disk, name));
      const made = makeBlockRoot({ layers: [await layerOf(entries)] }, join(disk, name), { limit: ${LIMIT} });
      await made.catch((error) => console.log(error.name + ": " + error.message));
    }`;
  using temporary = temporaryDirectory();
  const node = [process.execPath, "--input-type=module", "--eval", script, repository, temporary.path];
  const shell = ["sh", "-c", 'mount -t tmpfs -o size=1m none "$0" && exec "$@"', temporary.path, ...node];
  const { stdout, stderr } = spawnSync("unshare", ["--user", "--map-root-user", "--mount", ...shell], {
    encoding: "utf8",
  });
  expect(stdout.split("\n")).toEqual([
    expect.stringMatching(/^ImageError: unpack layer sha256:\w+: entry "f": ENOSPC[^\n]*$/),
    expect.stringMatching(/^ImageError: make the disk of an image: ENOSPC[^\n]*$/),
    "",
  ]);
  expect(stderr).toBe("");
});
