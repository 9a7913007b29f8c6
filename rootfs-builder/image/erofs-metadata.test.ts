import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRoot } from "../../lib/is-root.ts";
import { readErofs } from "../inspect/read-erofs.ts";
import { stage } from "../tree/stage.ts";
import { owned, type Tree, type TreeEntry } from "../tree/tree.ts";
import { makeErofs } from "./erofs.ts";
import { crc32c } from "./erofs-checksum.ts";
import { setErofsMetadata } from "./erofs-metadata.ts";

describe("setErofsMetadata", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-owners-"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  const file = (content: string, uid: number, gid: number): TreeEntry => {
    return { type: "file", mode: 0o640, content: Buffer.from(content), uid, gid };
  };

  async function made(name: string, tree: Tree, owners?: Tree): Promise<string> {
    await mkdir(join(directory, name));
    await stage(tree, join(directory, name));
    const image = join(directory, `${name}.erofs`);
    await makeErofs(join(directory, name), image, { owners });
    return image;
  }

  const TREE: Tree = new Map([
    ["srv", { type: "directory", mode: 0o755, gid: 7 }],
    ["srv/a", file("a", 33, 34)],
    ["srv/link", { type: "symlink", target: "a", uid: 65_535 }],
    ["srv/plain", { type: "file", mode: 0o600, content: Buffer.alloc(9000, "x") }],
    ...Array.from({ length: 200 }, (_, at) => [`srv/${at}`, file(String(at), at + 1, 0)] as const),
  ]);

  test("sets the tree's owners, whoever builds, and leaves everything else alone", async () => {
    const image = await made("owned", TREE, TREE);
    const read = readErofs(await readFile(image)).tree;
    expect(new Map([...read].sort())).toEqual(
      new Map([...TREE].map(([path, entry]) => [path, cleaned(entry)] as const).sort()),
    );
  });

  test("leaves a superblock with a correct checksum", async () => {
    for (const image of [await made("root", TREE), await made("again", TREE, TREE)]) {
      const block = (await readFile(image)).subarray(1024, 4096);
      const said = block.readUInt32LE(4);
      expect(block.readUInt32LE(8) & 1).toBe(1);
      block.writeUInt32LE(0, 4);
      expect(crc32c(block)).toBe(said);
    }
  });

  test("sets owners up to the largest id, in extended inodes only where one needs it", async () => {
    const tree: Tree = new Map([...TREE, ["srv/big", file("a", 65_536, 2 ** 32 - 2)]]);
    const { tree: read, inodes } = readErofs(await readFile(await made("big", tree, tree)));
    expect(read.get("srv/big")).toEqual(tree.get("srv/big"));
    expect(read.get("srv/a")).toEqual(tree.get("srv/a"));
    expect([...inodes.values()].every(({ extended }) => extended)).toBe(true);
    const short = readErofs(await readFile(await made("small", TREE, TREE)));
    expect([...short.inodes.values()].some(({ extended }) => extended)).toBe(false);
    const folder = join(directory, "unfit");
    await mkdir(folder);
    await writeFile(join(folder, "a"), "");
    await makeErofs(folder, `${folder}.erofs`);
    await expect(setErofsMetadata(`${folder}.erofs`, new Map([["a", file("", 65_536, 0)]]))).rejects.toThrow(
      "EROFS: no room for 65536:0, the owner of a",
    );
  });

  test.runIf(isRoot())("sets owners that the kernel reads back (needs root)", async () => {
    const image = await made("checked", TREE, TREE);
    const out = join(directory, "extracted");
    execFileSync("fsck.erofs", [`--extract=${out}`, image], { stdio: "pipe" });
    const said = execFileSync("stat", ["-c", "%u:%g", join(out, "srv/a"), join(out, "srv")], { encoding: "utf8" });
    expect(said).toBe("33:34\n0:7\n");
  });
});

/** Removes owners other than root. */
function cleaned({ uid, gid, ...entry }: TreeEntry): TreeEntry {
  return { ...entry, ...owned({ uid, gid }) } as TreeEntry;
}
