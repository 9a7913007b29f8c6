import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readErofs } from "../inspect/read-erofs.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { makeOutput } from "./make-output.ts";
import { outputFile } from "./output-names.ts";

const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
const run = (command: string, ...args: readonly string[]) => promisify(execFile)(command, args, { env });

const TOLD: ReadonlyMap<string, Uint8Array> = new Map([
  ["user.plain", Buffer.from("value")],
  ["user.odd = name", Buffer.from([0, 10, 92, 255])],
]);
const many = Array.from({ length: 5 }, (_, index): [string, TreeEntry] => [
  `etc/same-${index}`,
  { type: "file", mode: 0o644, content: Buffer.from("z"), xattrs: new Map([["user.plain", Buffer.from("value")]]) },
]);
const tree: Tree = new Map<string, TreeEntry>([
  ["etc", { type: "directory", mode: 0o555, xattrs: new Map([["user.of", Buffer.from("a folder")]]) }],
  ["etc/told", { type: "file", mode: 0o444, content: Buffer.from("y"), xattrs: TOLD }],
  ["etc/untold", { type: "file", mode: 0o444, content: Buffer.from("y") }],
  ...many,
]);

let directory = "";
// Beside what builds make: not all of a machine's file systems for temporary files have such attributes.
beforeAll(async () => {
  directory = await mkdtemp(join(import.meta.dirname, "../../build/guestd-attributes-"));
});
afterAll(() => rm(directory, { recursive: true }));

async function made(name: string): Promise<string> {
  await makeOutput(tree, name, directory);
  return join(directory, outputFile(name));
}

test.each(["erofs", "erofs-lz4hc"])(
  "%s has the extended attributes of a tree, the same bytes each time",
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

test("ext4 has them, by debugfs", async () => {
  const image = await made("ext4");
  expect((await run("debugfs", "-R", "ea_list /etc", image)).stdout).toContain('user.of (8) = "a folder"');
  expect((await run("debugfs", "-R", 'ea_get -x /etc/told "user.odd = name"', image)).stdout).toMatch(/00 0a 5c ff/);
  expect((await run("debugfs", "-R", "ea_list /etc/untold", image)).stdout).not.toContain("user.");
  await run("e2fsck", "-fn", image);
});

test("squashfs has them, by unsquashfs", async () => {
  const to = join(directory, "unpacked");
  await run("unsquashfs", "-xattrs", "-dest", to, await made("squashfs"));
  const { stdout } = await run("getfattr", "--dump", "--encoding=hex", join(to, "etc/told"));
  expect(stdout).toMatch(/user\.odd .*=0x000a5cff\n/);
  expect(stdout).toContain(`user.plain=0x${Buffer.from("value").toString("hex")}\n`);
});

test("an initramfs, which can't have them, is refused by the name of the file", async () => {
  await expect(made("initramfs")).rejects.toThrow("initramfs: etc has extended attributes, which a cpio can't hold");
});
