import { execFile, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isRoot } from "../../lib/is-root.ts";
import { readErofs } from "../inspect/read-erofs.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { makeOutput } from "./make-output.ts";
import { kernelType, outputFile } from "./output-names.ts";

const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
const run = (command: string, ...args: readonly string[]) => promisify(execFile)(command, args, { env });

const TOLD: ReadonlyMap<string, Uint8Array> = new Map([
  ["user.plain", Buffer.from("value")],
  ["user.odd = name", Buffer.from([0, 10, 92, 255])],
  ["user.empty", Buffer.alloc(0)],
]);
/** Attributes that only root can set; one contains the name of another class. */
const OF_ROOT: ReadonlyMap<string, Uint8Array> = new Map([
  ["trusted.overlay.opaque", Buffer.from("y")],
  ["security.capability", Buffer.from("0100000280000000000000000000000000000000", "hex")],
  ["security.plain", Buffer.from([0, 255])],
  ["user.plain", Buffer.from("mine")],
  ["trusted.plain", Buffer.from("root's")],
  ["trusted.ü", Buffer.from("x".repeat(200))],
]);
const many = Array.from({ length: 5 }, (_, index): [string, TreeEntry] => [
  `etc/same-${index}`,
  { type: "file", mode: 0o644, content: Buffer.from("z"), xattrs: new Map([["user.plain", Buffer.from("value")]]) },
]);
const tree: Tree = new Map<string, TreeEntry>([
  ["etc", { type: "directory", mode: 0o555, xattrs: new Map([["user.of", Buffer.from("a folder")]]) }],
  ["etc/told", { type: "file", mode: 0o444, content: Buffer.from("y"), xattrs: TOLD }],
  ["etc/root", { type: "file", mode: 0, content: Buffer.from("y"), xattrs: OF_ROOT, uid: 7 }],
  ["etc/trusted", { type: "directory", mode: 0o100, xattrs: OF_ROOT }],
  ["etc/untold", { type: "file", mode: 0o444, content: Buffer.from("y") }],
  ...many,
]);

/** More than one block of attributes. */
for (let index = 0; index < 200; index++) {
  const xattrs = new Map([[`trusted.number-${index}`, Buffer.alloc(100, String(index))]]);
  tree.set(`etc/many-${index}`, { type: "file", mode: 0o644, content: Buffer.from("z"), xattrs });
}

let directory = "";
// Beside the builds' outputs, because some machines' temporary file systems don't support extended attributes.
beforeAll(async () => {
  directory = await mkdtemp(join(import.meta.dirname, "../../build/guestd-attributes-"));
});
afterAll(() => rm(directory, { recursive: true }));

async function made(name: string): Promise<string> {
  await makeOutput(tree, name, directory);
  return join(directory, outputFile(name));
}

test.each(["erofs", "erofs-lz4hc"])(
  "writes a tree's extended attributes into %s, with equal bytes each time",
  async (name) => {
    const first = await readFile(await made(name));
    const found = readErofs(first).tree;
    for (const [path, entry] of tree) {
      const bytes = [...(found.get(path)?.xattrs ?? [])].map(([key, value]) => [key, Buffer.from(value)] as const);
      expect(new Map(bytes), path).toEqual(entry.xattrs ?? new Map());
    }
    expect((await readFile(await made(name))).equals(first)).toBe(true);
  },
);

/** debugfs prints non-ASCII names in hexadecimal. */
const told = (name: string) =>
  /^([0-9a-f]{2} )+$/.test(name) ? Buffer.from(name.replaceAll(" ", ""), "hex").toString() : name;

test("writes attributes into ext4 that debugfs reads", async () => {
  const image = await made("ext4");
  const first = await readFile(image);
  expect((await run("debugfs", "-R", "ea_list /etc", image)).stdout).toContain('user.of (8) = "a folder"');
  expect((await run("debugfs", "-R", "ea_list /etc/untold", image)).stdout).not.toContain("(");
  for (const [path, { xattrs = new Map() }] of tree) {
    if (/many-\d\d/.test(path)) continue;
    const { stdout } = await run("debugfs", "-R", `ea_list /${path}`, image);
    const names = [...stdout.matchAll(/^ {2}(\S.*) \(\d+\)/gm)].map(([, name = ""]) => told(name));
    expect(names.sort(), path).toEqual([...xattrs.keys()].sort());
    for (const [name, value] of xattrs) {
      const got = await run("debugfs", "-R", `ea_get -x /${path} "${name}"`, image);
      expect(/ \(\d+\) = (.*)/s.exec(got.stdout)?.[1]?.replaceAll(/\s/g, "") ?? "", name).toBe(
        Buffer.from(value).toString("hex"),
      );
    }
  }
  await run("e2fsck", "-fn", image);
  expect((await readFile(await made("ext4"))).equals(first)).toBe(true);
});

test("names a file with too many attributes, and does not report a full disk", async () => {
  const xattrs = new Map([["user.large", Buffer.alloc(4090)]]);
  const large: Tree = new Map([["a", { type: "file", mode: 0o644, content: Buffer.alloc(0), xattrs }]]);
  await expect(makeOutput(large, "ext4", directory)).rejects.toThrow(
    /^(image|ext4): a has 4124 bytes of extended attr/,
  );
});

test("writes attributes into squashfs that unsquashfs reads", async () => {
  const to = join(directory, "unpacked");
  const image = await made("squashfs");
  const first = await readFile(image);
  const mine = isRoot() ? [] : ["-user-xattrs"];
  await run("unsquashfs", ...mine, "-xattrs", "-dest", to, image);
  const { stdout } = await run("getfattr", "--dump", "--encoding=hex", join(to, "etc/told"));
  expect(stdout).toMatch(/user\.odd .*=0x000a5cff\n/);
  expect(stdout).toContain(`user.plain=0x${Buffer.from("value").toString("hex")}\n`);
  expect((await readFile(await made("squashfs"))).equals(first)).toBe(true);
});

test.runIf(isRoot())("including those that only root can set (as root)", async () => {
  const to = join(directory, "unpacked-as-root");
  await run("unsquashfs", "-xattrs", "-dest", to, await made("squashfs"));
  const many = await run("getfattr", "--dump", "--match=-", ...[7, 199].map((index) => join(to, `etc/many-${index}`)));
  expect(many.stdout.match(/^trusted.number-\d+="\d+"$/gm)).toEqual(
    [7, 199].map((index) => `trusted.number-${index}="${Buffer.alloc(100, String(index))}"`),
  );
  const found = await attributesOf(join(to, "etc/root"), join(to, "etc/trusted"));
  expect(found).toEqual([sorted(OF_ROOT), sorted(OF_ROOT)]);
});

const hasLoops = spawnSync("losetup", ["--find"], { env }).status === 0 && isRoot();

test.runIf(hasLoops).for(["erofs", "erofs-lz4hc", "ext4", "squashfs"] as const)(
  "writes attributes into %s that the kernel reads (as root, with loop devices)",
  async (name, { skip }) => {
    const at = join(directory, `mounted-${name}`);
    await mkdir(at);
    await run("mount", "-t", kernelType(name), "-o", "loop,ro", await made(name), at).catch((error: Error) => {
      skip(error.message.includes("unknown filesystem type"), "this kernel does not know it");
      throw error;
    });
    try {
      const found = await attributesOf(join(at, "etc/root"), join(at, "etc/trusted"), join(at, "etc/untold"));
      expect(found).toEqual([sorted(OF_ROOT), sorted(OF_ROOT), []]);
    } finally {
      await run("umount", at);
    }
  },
);

/** Returns the names and values for each file, as the kernel reads them. */
async function attributesOf(...files: readonly string[]): Promise<unknown> {
  const script =
    "import json, os, sys; print(json.dumps([[(n, os.getxattr(f, n).hex()) for n in os.listxattr(f)] for f in sys.argv[1:]]))";
  const lists: [string, string][][] = JSON.parse((await run("python3", "-c", script, ...files)).stdout);
  // SELinux labels every file that such a machine unpacks.
  return lists.map((list) => list.filter(([name]) => name !== "security.selinux").sort());
}

function sorted(xattrs: ReadonlyMap<string, Uint8Array>): unknown {
  return [...xattrs].map(([name, value]) => [name, Buffer.from(value).toString("hex")]).sort();
}

test("refuses an initramfs, which doesn't support attributes, naming the file", async () => {
  await expect(made("initramfs")).rejects.toThrow("initramfs: etc has extended attributes, which a cpio can't hold");
});
