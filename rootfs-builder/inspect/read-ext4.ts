import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { reason } from "../../lib/reason.ts";
import { temporaryPlace } from "../../lib/safe-place.ts";
import { BuildError } from "../build-error.ts";
import { run } from "../run.ts";
import { typeOf } from "../tree/entry-type.ts";
import { owned, type Tree, type TreeEntry } from "../tree/tree.ts";
import { withTemporary } from "../with-temporary.ts";
import { MAX_BYTES, shown } from "./check.ts";

const ROOT = 2;
const CAPABILITY = "security.capability";
/** Superblock feature: large extended attributes in inodes of their own, which debugfs does not return. */
const ATTRIBUTES_AS_INODES = 0x400;
/** One entry in the output of `ls -p`: /inode/mode/uid/gid/name/size/. A name can hold a line end, but no slash. */
const LISTED = /^\/(\d+)\/([0-7]{6})\/(\d+)\/(\d+)\/([^/]+)\/(\d*)\/$/gm;

interface Listed {
  readonly inode: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
}

export function isExt4(bytes: Buffer): boolean {
  return bytes.length > 2048 && bytes.readUInt16LE(1024 + 56) === 0xef53;
}

/** Returns the size in bytes that an ext4 superblock declares. */
export function ext4Size(bytes: Buffer): number {
  return bytes.readUInt32LE(1024 + 4) * 2 ** (10 + bytes.readUInt32LE(1024 + 24));
}

/**
 * Reads every entry of an ext4 file system that e2fsck finds sound. debugfs addresses inodes by number and writes files named
 * after them, so no name from the image reaches a command line or this machine's file system.
 */
export async function readExt4(fileSystem: Buffer): Promise<Tree> {
  if ((fileSystem.readUInt32LE(1024 + 96) & ATTRIBUTES_AS_INODES) !== 0)
    throw new BuildError("ext4: extended attributes in separate inodes (ea_inode) are not supported");
  return withTemporary(temporaryPlace(), async (work) => {
    await writeFile(join(work, "image"), fileSystem);
    await run("e2fsck", ["-f", "-n", "image"], { cwd: work }).catch((error: unknown) => {
      throw new BuildError(`ext4: e2fsck -fn finds errors: ${reason(error)}`);
    });
    const listed = await listAll(work);
    const entries = await entriesOf(work, new Map([...listed.values()].map((one) => [one.inode, one])));
    const tree: Tree = new Map();
    for (const path of [...listed.keys()].sort()) {
      const entry = entries.get(listed.get(path)?.inode ?? 0);
      if (entry !== undefined) tree.set(path, entry);
    }
    return tree;
  });
}

/** Lists all paths, one level of directories at a time. */
async function listAll(work: string): Promise<ReadonlyMap<string, Listed>> {
  const all = new Map<string, Listed>();
  let total = 0;
  for (let level = [{ path: "", inode: ROOT }]; level.length > 0; ) {
    const inodes = level.map(({ inode }) => inode);
    const outputs = await debugfs(work, "ls -p <#>", inodes);
    const below: typeof level = [];
    for (const { path: parent, inode } of level) {
      for (const [name, one] of namesIn(outputs.get(inode) ?? "")) {
        const path = parent === "" ? name : `${parent}/${name}`;
        const type = typeOf(one.mode);
        if (type === undefined) throw new BuildError(`ext4: /${shown(path)} is a device, a pipe or a socket`);
        if (type === "directory") below.push({ path, inode: one.inode });
        all.set(path, one);
        total += one.size;
      }
    }
    if (total > MAX_BYTES) throw new BuildError("ext4: its files have more than 2 GiB");
    level = below;
  }
  return all;
}

function* namesIn(output: string): Generator<readonly [string, Listed]> {
  for (const [, inode, mode = "", uid, gid, name = "", size] of output.matchAll(LISTED)) {
    if (name === "." || name === "..") continue;
    const listed = { inode: Number(inode), mode: Number.parseInt(mode, 8), uid: Number(uid), gid: Number(gid) };
    yield [Buffer.from(name, "latin1").toString(), { ...listed, size: Number(size) }];
  }
}

/** Reads the entry of each inode: targets, contents and file capabilities. Other extended attributes are not read. */
async function entriesOf(work: string, inodes: ReadonlyMap<number, Listed>): Promise<ReadonlyMap<number, TreeEntry>> {
  const numbers = (type: TreeEntry["type"]) =>
    [...inodes.values()].filter(({ mode }) => typeOf(mode) === type).map(({ inode }) => inode);
  const [files, links] = [numbers("file"), numbers("symlink")];
  await Promise.all(["content", "capability"].map((folder) => mkdir(join(work, folder))));
  const targets = new Map<number, string | undefined>();
  for (const [inode, output] of await debugfs(work, "stat <#>", links)) {
    const target = /^Fast link dest: "(.*)"$/ms.exec(output)?.[1];
    targets.set(inode, target === undefined ? undefined : Buffer.from(target, "latin1").toString());
  }
  await debugfs(work, "dump <#> content/#", [...files, ...links.filter((inode) => targets.get(inode) === undefined)]);
  await debugfs(work, `ea_get -f capability/# <#> ${CAPABILITY}`, files);
  const entries = new Map<number, TreeEntry>();
  for (const [inode, { mode, uid, gid, size }] of inodes) {
    const content = () => readFile(join(work, "content", String(inode)));
    const type = typeOf(mode);
    if (type === "directory") entries.set(inode, { type, mode: mode & 0o7777, ...owned({ uid, gid }) });
    if (type === "symlink") {
      const target = targets.get(inode) ?? (await content()).toString();
      entries.set(inode, { type, target, ...owned({ uid, gid }) });
    }
    if (type !== "file") continue;
    const bytes = await content();
    if (bytes.length !== size) throw new BuildError(`ext4: inode ${inode} has ${bytes.length} bytes, not ${size}`);
    const capability = await readFile(join(work, "capability", String(inode)));
    const xattrs = capability.length > 0 ? new Map([[CAPABILITY, capability]]) : undefined;
    entries.set(inode, { type, mode: mode & 0o7777, content: bytes, ...owned({ uid, gid, xattrs }) });
  }
  return entries;
}

/** Runs a debugfs command once for each inode number, which replaces "#". Returns the outputs as Latin-1 by inode number. */
async function debugfs(work: string, command: string, inodes: readonly number[]): Promise<ReadonlyMap<number, string>> {
  if (inodes.length === 0) return new Map();
  const lines = inodes.map((inode) => command.replaceAll("#", String(inode)));
  await writeFile(join(work, "commands"), `${lines.join("\n")}\n`);
  const output = (await run("debugfs", ["-f", "commands", "image"], { cwd: work })).toString("latin1");
  const outputs = output.split(/^debugfs: .*<\d+>.*\n/m).slice(1);
  return new Map(inodes.map((inode, at) => [inode, outputs[at] ?? ""]));
}
