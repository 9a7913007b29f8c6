import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BOUND_BY_MODES } from "../../lib/testing/bound-by-modes.ts";
import { inspectPath } from "../inspect/inspect-path.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { type MadeOutput, makeOutput } from "./make-output.ts";
import { OUTPUTS, outputFile } from "./output-names.ts";

const MIB = 1024 * 1024;
const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
const run = (command: string, ...args: readonly string[]) =>
  promisify(execFile)(command, args, { env, maxBuffer: 16 * MIB });

const text = Buffer.from("text of a file\n".repeat(8_000));
const file: TreeEntry = { type: "file", mode: 0o755, content: text };
const tree: Tree = new Map<string, TreeEntry>([
  ["etc", { type: "directory", mode: 0o755 }],
  ["etc/first", file],
  ["etc/same", file],
  ['etc/"quoted" \\"', { type: "file", mode: 0o604, uid: 70_000, content: Buffer.from("q") }],
  ["etc/with a space", { type: "file", mode: 0o600, uid: 7, gid: 8, content: Buffer.from("x") }],
  ["tmp", { type: "directory", mode: 0o1777 }],
  ["link", { type: "symlink", target: "etc/first" }],
  // points at a large directory of the host, which must not be included
  ["out", { type: "symlink", target: "/etc" }],
]);

describe("outputs of a tree", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-outputs-"));
  });
  afterAll(() => rm(directory, { recursive: true }));
  const path = (name: string) => join(directory, outputFile(name));
  const make = (name: string) => makeOutput(tree, name, directory);

  test("gives equal bytes when made again, and leaves nothing else behind", async () => {
    const digests = async (folder: string) => {
      const made = [];
      for (const name of OUTPUTS.filter((name) => !/^(ext4|squashfs|erofs-lz4hc)-.*disk$/.test(name))) {
        await makeOutput(tree, name, folder);
        made.push([outputFile(name), await digest(join(folder, outputFile(name)))] as const);
      }
      return made;
    };
    const before = await digests(directory);
    await new Promise((resolve) => setTimeout(resolve, 1100)); // file systems' clocks count seconds
    const again = join(directory, "again");
    expect(await digests(again)).toEqual(before);
    expect((await readdir(again)).sort()).toEqual(before.flatMap(([file]) => [file, `${file}.json`]).sort());
  });

  test.each(["erofs", "erofs-lz4hc"])("writes a %s whose content matches the tree, by fsck.erofs", async (name) => {
    await make(name);
    await run("fsck.erofs", `--extract=${join(directory, name)}`, path(name));
    expect(await readFile(join(directory, name, "etc/same"))).toEqual(text);
  });

  test("writes an ext4 whose content matches the tree, by e2fsck and debugfs", async () => {
    await make("ext4");
    await run("e2fsck", "-fn", path("ext4"));
    const { stdout } = await run("debugfs", "-R", 'cat "/etc/first"', path("ext4"));
    expect(stdout).toBe(text.toString());
    for (const [name, owner] of [
      ["/", /User: +0 +Group: +0 /],
      ["/etc/with a space", /User: +7 +Group: +8 /],
      ["/link", /User: +0 +Group: +0 /],
    ] as const) {
      const said = (await run("debugfs", "-R", `stat "${name}"`, path("ext4"))).stdout;
      expect(said).toMatch(owner);
      expect(said).toMatch(/mtime: 0x00000001/);
    }
  });

  test("writes a squashfs whose content matches the tree, by unsquashfs", async () => {
    await make("squashfs");
    const { stdout } = await run("unsquashfs", "-lln", "-UTC", path("squashfs"));
    expect(stdout).toMatch(/^-rw------- 7\/8 +1 1970-01-01 00:00 squashfs-root\/etc\/with a space$/m);
    expect((await run("unsquashfs", "-cat", path("squashfs"), "etc/same")).stdout).toBe(text.toString());
  });

  test("writes owner and mode into squashfs for a file name with any first character", async () => {
    const odd = ["#a", "-b", "!c", " d", "*e", "usr#f"];
    const entries = odd.map((name) => [name, { type: "file", mode: 0o600, uid: 7, gid: 8, content: text }] as const);
    const folder = join(directory, "odd");
    await makeOutput(new Map(entries), "squashfs", folder);
    const { stdout } = await run("unsquashfs", "-lln", join(folder, outputFile("squashfs")));
    expect(stdout.match(/^-rw------- 7\/8 /gm)).toHaveLength(odd.length);
  });

  test.each([
    ["initramfs", "cat"],
    ["initramfs-gzip", "gzip"],
    ["initramfs-zstd", "zstd"],
  ])("writes %s as a cpio archive after %s, with /init in it", async (name, program) => {
    await make(name);
    const unpack = program === "cat" ? "cat" : `${program} -dc`;
    const { stdout } = await run("sh", "-c", `${unpack} "$1" | cpio -it --quiet`, "sh", path(name));
    expect(stdout.split("\n").sort().join(" ").trim()).toBe(
      'etc etc/"quoted" \\" etc/first etc/same etc/with a space init link out tmp',
    );
  });

  test("writes a verity disk that veritysetup accepts, until one byte changes", async () => {
    const { verity, size } = await make("erofs-verity-disk");
    if (verity === undefined) throw new Error("no verity");
    const bytes = await readFile(path("erofs-verity-disk"));
    expect(bytes.length).toBe(size);
    const [data, hashes] = [0, 1].map((index) => partition(bytes, index));
    const check = async () => {
      await writeFile(join(directory, "data"), data ?? "");
      await writeFile(join(directory, "hashes"), hashes ?? "");
      const options = ["--no-superblock", `--data-blocks=${verity.dataBlocks}`, `--salt=${verity.salt}`];
      const files = [join(directory, "data"), join(directory, "hashes")];
      return run("veritysetup", "verify", ...options, ...files, verity.rootHash);
    };
    await check();
    data?.writeUInt8((data[9000] ?? 0) ^ 1, 9000);
    await expect(check()).rejects.toThrow();
  });

  test("describes each output in a JSON file beside it", async () => {
    const made = await make("ext4-dax-disk");
    const said: MadeOutput = JSON.parse(await readFile(`${path("ext4-dax-disk")}.json`, "utf8"));
    expect(said).toEqual(made);
    expect(said).toMatchObject({ output: "ext4-dax-disk", file: "root.ext4-dax-disk.img", size: 128 * MIB });
  });

  test.each(["erofs", "erofs-lz4hc", "ext4", "squashfs"])("writes a %s that inspect reads completely", async (name) => {
    await make(name);
    const found = (await inspectPath(path(name))).files[0]?.tree;
    found?.delete("lost+found");
    // Only root's unsquashfs sets the owners of a squashfs, so inspect ignores them.
    const ownerless = ({ uid, gid, ...entry }: TreeEntry) => entry;
    const wanted = [...tree].map(([at, entry]) => [at, name === "squashfs" ? ownerless(entry) : entry] as const);
    expect(found).toEqual(new Map(wanted));
    if (name !== "squashfs") return;
    const { stdout } = await run("unsquashfs", "-lln", path(name));
    expect(stdout).toMatch(/^-rw----r-- 70000\/0 .* squashfs-root\/etc\/"quoted" \\"$/m);
  });

  test.each(["erofs", "erofs-lz4hc", "ext4", "squashfs"])(
    "writes files into %s that their own modes lock, whoever builds",
    async (name) => {
      const secret: TreeEntry = { type: "file", mode: 0, content: text };
      const shut: Tree = new Map<string, TreeEntry>([
        ["shut", { type: "directory", mode: 0 }],
        ["shut/secret", secret],
        ["shut/same", secret],
      ]);
      const [mine, theirs] = [join(directory, "mine"), join(directory, "theirs")];
      await makeOutput(shut, name, mine);
      const script = `
        const { makeOutput } = await import(process.argv[1] + "/make-output.ts");
        const [directory, secret] = process.argv.slice(2);
        const file = { type: "file", mode: 0, content: Buffer.from(secret) };
        const tree = new Map([["shut", { type: "directory", mode: 0 }], ["shut/secret", file], ["shut/same", file]]);
        const { file: made } = await makeOutput(tree, "${name}", directory);
        const { inspectPath } = await import(process.argv[1] + "/../inspect/inspect-path.ts");
        const { tree: found, checks } = (await inspectPath(directory + "/" + made)).files[0];
        if (found === undefined) throw new Error(JSON.stringify(checks));
        found.delete("lost+found");
        console.log(JSON.stringify([...found].map(([path, { mode, content = "" }]) => [path, mode, content.length])));`;
      const node = [process.execPath, "--input-type=module", "--eval", script, import.meta.dirname, theirs];
      const [program = "", ...args] = [...BOUND_BY_MODES, ...node, text.toString()];
      const { stdout } = await run(program, ...args);
      expect(JSON.parse(stdout).sort()).toEqual([
        ["shut", 0, 0],
        ["shut/same", 0, text.length],
        ["shut/secret", 0, text.length],
      ]);
      const made = await readFile(join(mine, outputFile(name)));
      expect((await readFile(join(theirs, outputFile(name)))).equals(made)).toBe(true);
      const { files } = await inspectPath(join(mine, outputFile(name)));
      files[0]?.tree?.delete("lost+found");
      expect(files[0]?.tree).toEqual(shut);
    },
  );

  test("refuses an unknown name or a tree that can't be packed, and leaves nothing", async () => {
    await expect(makeOutput(tree, "xfs", directory)).rejects.toThrow(/^output xfs: unknown; use one of erofs, /);
    const odd: Tree = new Map([["a\nb", file]]);
    const empty = join(directory, "empty");
    await expect(makeOutput(odd, "ext4", empty)).rejects.toThrow(
      'ext4: "/a\\nb": debugfs doesn\'t support a name with a line end',
    );
    expect(await readdir(empty)).toEqual([]);
  });
});

/** Returns the bytes that a partition table's entry names. */
function partition(disk: Buffer, index: number): Buffer {
  const entry = disk.subarray(446 + 16 * index);
  const start = entry.readUInt32LE(8) * 512;
  return Buffer.from(disk.subarray(start, start + entry.readUInt32LE(12) * 512));
}

async function digest(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
