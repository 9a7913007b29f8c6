import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeErofs } from "../image/erofs.ts";
import { writeDiskImage } from "../image/write-image.ts";
import { type CpioEntry, cpioArchive } from "../initramfs/cpio.ts";
import { rootInitrd } from "../initramfs/root-initrd.ts";
import { describeTree } from "../manifest/describe-tree.ts";
import { makeVerityDisk } from "../outputs/verity-disk.ts";
import { stage } from "../tree/stage.ts";
import type { Tree } from "../tree/tree.ts";
import { inspectPath } from "./inspect-path.ts";

const execute = promisify(execFile);
const PROGRAM = Buffer.from("\x7fELF that runs");
const HEADER_START = 3 * 2 ** 20;

function root(mode = 0o755): Tree {
  return new Map([
    ["sbin", { type: "symlink", target: "usr/sbin" }],
    ["usr", { type: "directory", mode: 0o755 }],
    ["usr/sbin", { type: "directory", mode: 0o755 }],
    ["usr/sbin/init", { type: "file", mode, content: PROGRAM }],
    ["usr/big", { type: "file", mode: 0o644, content: Buffer.alloc(9000, "text ") }],
    ["usr/empty", { type: "file", mode: 0o600, content: Buffer.alloc(0) }],
  ]);
}

describe("inspectPath", () => {
  let base = "";
  let directory = "";
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), "guestd-inspect-"));
    await mkdir(join(base, "root"));
    await stage(root(), join(base, "root"));
    await makeErofs(join(base, "root"), join(base, "root.erofs"));
    await writeDiskImage(join(base, "root.erofs"), join(base, "dax.img"));
  });
  afterAll(() => rm(base, { recursive: true }));
  beforeEach(async () => {
    directory = await mkdtemp(join(base, "one-"));
  });

  /** Returns kind and entries of the first file, and all failed checks. */
  async function look(path: string, options = {}) {
    const { files, checks } = await inspectPath(path, options);
    const failed = [...files.flatMap((one) => one.checks), ...checks].filter(({ ok }) => !ok);
    return {
      kind: files[0]?.kind,
      tree: files[0]?.tree,
      failed: failed.map(({ name, detail }) => `${name}: ${detail}`),
    };
  }

  async function write(name: string, content: Buffer): Promise<string> {
    await writeFile(join(directory, name), content);
    return join(directory, name);
  }

  test("reads all files of a disk with the DAX header", async () => {
    const found = await look(join(base, "dax.img"));
    expect(found).toEqual({ kind: "disk with DAX header, EROFS", tree: root(), failed: [] });
  });

  test.each<[string, number, number, RegExp]>([
    ["the checksum", 4096 + 4088, 1, /^DAX header: checksum: /],
    ["the alignment", 4096 + 84, 1, /^DAX header: alignment: 2097153/],
    ["the partition of a disk", 454, 0xff, /^both partition tables: different partitions/],
    ["the partition of an NVDIMM", 2 * 2 ** 20 + 510, 0, /^partition table of \/dev\/pmem0: none/],
    ["the file system", HEADER_START + 1024, 0, /^file system: none/],
    ["the root directory's place", HEADER_START + 1024 + 14, 0xff, /^content: EROFS: /],
  ])("reports that %s of a disk is damaged", async (_what, offset, value, message) => {
    const bytes = await readFile(join(base, "dax.img"));
    bytes[offset] = value;
    const { failed } = await look(await write("dax.img", bytes));
    expect(
      failed.some((one) => message.test(one)),
      failed.join("\n"),
    ).toBe(true);
  });

  test("refuses inline tails in an image for DAX", async () => {
    await execute("mkfs.erofs", ["--quiet", join(directory, "inline.erofs"), join(base, "root")]);
    await writeDiskImage(join(directory, "inline.erofs"), join(directory, "disk.img"));
    const { failed } = await look(join(directory, "disk.img"));
    expect(failed).toEqual(["EROFS: for DAX: 2 files compressed or inline; wanted: noinline_data, uncompressed"]);
  });

  test.each<[string, string, (target: string) => [string, ...string[]]]>([
    [
      "EROFS, 1 files compressed",
      "erofs",
      (target) => ["mkfs.erofs", "--quiet", "-zlz4hc", target, join(base, "root")],
    ],
    [
      "squashfs",
      "squashfs",
      (target) => ["mksquashfs", join(base, "root"), target, "-quiet", "-no-progress", "-all-root"],
    ],
    ["ext4", "ext4", (target) => ["mke2fs", "-q", "-t", "ext4", "-d", join(base, "root"), target, "4m"]],
  ])("reads %s", async (kind, name, command) => {
    const [program, ...args] = command(join(directory, name));
    await execute(program, args);
    const found = await look(join(directory, name));
    found.tree?.delete("lost+found");
    expect(found).toEqual({ kind, tree: root(), failed: [] });
  });

  test.each<[string, (target: string, from: string) => [string, ...string[]]]>([
    ["EROFS", (target, from) => ["mkfs.erofs", "--quiet", "-zlz4hc", target, from]],
    ["squashfs", (target, from) => ["mksquashfs", from, target, "-quiet", "-no-progress", "-all-root"]],
    ["ext4", (target, from) => ["mke2fs", "-q", "-t", "ext4", "-d", from, target, "4m"]],
  ])("reports set-id and sticky bits of %s, though its tools can drop them", async (_kind, command) => {
    const tree = root(0o4755).set("tmp", { type: "directory", mode: 0o1777 });
    await mkdir(join(directory, "root"));
    await stage(tree, join(directory, "root"));
    const [program, ...args] = command(join(directory, "image"), join(directory, "root"));
    await execute(program, args);
    const found = await look(join(directory, "image"));
    expect(found.failed).toEqual(["no setuid or setgid file: /usr/sbin/init: mode 4755; wanted: none"]);
    expect(found.tree?.get("tmp")).toMatchObject({ mode: 0o1777 });
  });

  test("computes the hashes of the builder's disk with verity, and detects a flipped bit", async () => {
    await copyFile(join(base, "root.erofs"), join(directory, "root.erofs"));
    const disk = join(directory, "disk.img");
    const verity = await makeVerityDisk(join(directory, "root.erofs"), disk);
    expect((await look(disk)).failed).toEqual([expect.stringMatching(/^verity: unknown salt/)]);
    await writeFile(`${disk}.json`, JSON.stringify({ verity }));
    expect(await look(disk)).toEqual({ kind: "disk with verity hashes, EROFS", tree: root(), failed: [] });
    expect((await look(disk, { rootHash: "12" })).failed).toEqual([`verity root hash: ${verity.rootHash}; wanted: 12`]);
    const bytes = await readFile(disk);
    const end = 2 ** 20 + verity.dataBlocks * verity.dataBlockSize - 1;
    bytes.writeUInt8(bytes.readUInt8(end) ^ 1, end);
    await writeFile(disk, bytes);
    expect((await look(disk)).failed).toEqual([
      "verity tree: differs from the data; wanted: a match",
      expect.stringMatching(/^verity root hash: /),
    ]);
  });

  test("reads the version of an uncompressed kernel", async () => {
    const elf = Buffer.alloc(200);
    elf.write("\x7fELF", "latin1");
    elf.writeUInt16LE(2, 16);
    elf.write("Linux version %s\0Linux version 6.1.0-x (me@here)\n\0", 80);
    expect(await look(await write("vmlinux", elf))).toMatchObject({ kind: "kernel", failed: [] });
    expect((await inspectPath(join(directory, "vmlinux"))).files[0]).toMatchObject({ release: "6.1.0-x" });
    elf.writeUInt16LE(1, 16);
    expect((await look(await write("vmlinux", elf))).failed).toEqual([
      "kernel: ELF, not packed, Linux 6.1.0-x; wanted: a bootable kernel",
    ]);
  });

  test("reads an initramfs, compressed or not", async () => {
    const packed = await rootInitrd(root());
    const plain = gunzipSync(packed);
    const whole = new Map([...root(), ["init", { type: "symlink", target: "/sbin/init" }] as const]);
    for (const bytes of [packed, plain, zstdCompressSync(plain)]) {
      const { tree, failed } = await look(await write("initrd", bytes));
      expect([tree, failed]).toEqual([whole, []]);
    }
    expect((await look(await write("initrd", plain.subarray(0, 2000)))).failed).toEqual([
      expect.stringMatching(/^content: initramfs: usr\/big extends beyond the end of the archive/),
    ]);
  });

  test("reports setuid files and an init that can't run", async () => {
    expect((await look(await write("a", await rootInitrd(root(0o4755))))).failed).toEqual([
      "no setuid or setgid file: /usr/sbin/init: mode 4755; wanted: none",
    ]);
    expect((await look(await write("a", await rootInitrd(root(0o644))))).failed).toEqual([
      "/init: not a program; wanted: an executable program",
    ]);
  });

  test("computes the same root hash as veritysetup, and detects a flipped bit", async () => {
    const data = await readFile(join(base, "root.erofs"));
    const image = await write("root.erofs", data);
    const { stdout } = await execute("veritysetup", ["format", image, join(directory, "root.verity")]);
    const rootHash = /Root hash:\s*(\w+)/.exec(stdout)?.[1] ?? "";
    expect((await look(directory, { rootHash })).failed).toEqual([]);
    expect((await look(directory, { rootHash: "12" })).failed).toEqual([`verity root hash: ${rootHash}; wanted: 12`]);
    data.writeUInt8(data.readUInt8(data.length - 1) ^ 1, data.length - 1);
    await write("root.erofs", data);
    expect((await look(directory, { rootHash })).failed).toEqual([
      "verity tree of root.verity: matches none of root.erofs; wanted: an image with these hashes",
    ]);
  });

  test("inspects the folders of a build, and nothing beside them", async () => {
    await expect(inspectPath(directory)).rejects.toThrow(`${directory}: contains no image`);
    for (const [folder, name] of [
      ["image", "guest.img"],
      ["outputs", "root.erofs.img"],
      ["firecracker", "root.img"],
    ] as const) {
      await mkdir(join(directory, folder));
      await copyFile(join(base, "root.erofs"), join(directory, folder, name));
    }
    await write("outputs/noise", Buffer.alloc(5000, "noise"));
    await mkdir(join(directory, "agent"));
    await write("agent/agent.cjs", Buffer.from("text"));
    const found = async () => (await inspectPath(directory)).files.map(({ file }) => file.slice(directory.length + 1));
    const files = ["image/guest.img", "outputs/noise", "outputs/root.erofs.img", "firecracker/root.img"];
    expect(await found()).toEqual(files);
    // other files can be beside a build's manifest
    await write("manifest.json", Buffer.from(JSON.stringify({ format: 1, files: [], boot: [], sources: [] })));
    await write("guest.tar", Buffer.from("text"));
    expect(await found()).toEqual(files);
  });

  test("compares an initramfs with the manifest beside it, by file or by folder", async () => {
    const init = { type: "file", mode: 0o755, content: PROGRAM } as const;
    const tree: Tree = new Map([
      ["init", init],
      ["guestd-modules", { ...init, mode: 0o444, content: Buffer.from("") }],
    ]);
    const boot = describeTree(tree, []).map((one) => ({ ...one, path: `initrd.cpio:${one.path}` }));
    const archive = (evil: boolean) =>
      cpioArchive(
        [...tree, ...(evil ? ([["evil", init]] as const) : [])].map(
          ([path, entry]) => ({ path, ...entry }) as CpioEntry,
        ),
      );
    await write("manifest.json", Buffer.from(JSON.stringify({ format: 1, files: [], boot, sources: [] })));
    for (const path of [await write("initrd.cpio", archive(false)), directory])
      expect((await look(path)).failed.filter((one) => one.startsWith("matches the"))).toEqual([]);
    for (const path of [await write("initrd.cpio", archive(true)), directory])
      expect((await look(path)).failed).toContain("matches the manifest: /evil: not in the manifest");
  });

  test("refuses any other file", async () => {
    expect((await look(await write("noise", Buffer.alloc(5000, "noise")))).failed).toEqual([
      expect.stringMatching(/^content: unknown format: not a kernel/),
    ]);
    await expect(inspectPath(join(directory, "missing"))).rejects.toThrow("no such file or folder");
  });
});
