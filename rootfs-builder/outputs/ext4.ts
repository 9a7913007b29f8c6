import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../build-error.ts";
import { run } from "../run.ts";
import { ATTRIBUTE_BYTES, attributeBytes } from "../tree/attributes.ts";
import { wholeMode } from "../tree/entry-type.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";

const BLOCK = 4096;
const MIB = 1024 * 1024;
const UUID = "67756573-7464-4000-8000-000000000001";
const HASH_SEED = "67756573-7464-4000-8000-000000000002";
/** Size of an inode with its share of bitmaps and directories. */
const INODE_BYTES = 512;

/** Clock of mke2fs and debugfs in seconds; 0 would mean "now". */
const FIXED_TIME = { ...process.env, E2FSPROGS_FAKE_TIME: "1", SOURCE_DATE_EPOCH: "1", TZ: "UTC" };

/**
 * Writes a read-only ext4 without a journal or free space. mke2fs takes owners and times from the directory, so debugfs
 * sets them afterwards.
 * @param directory the staged tree
 */
export async function makeExt4(tree: Tree, directory: string, image: string): Promise<void> {
  const entries = new Set(tree.values());
  const content = [...entries].reduce((sum, entry) => sum + blocksOf(entry) * BLOCK, 0);
  const inodes = tree.size + 16;
  const size = Math.ceil((content * 1.01 + inodes * INODE_BYTES + 2 * MIB) / MIB) * MIB;
  await writeFile(image, "");
  await truncate(image, size);
  const extended = `root_owner=0:0,hash_seed=${HASH_SEED},lazy_itable_init=0,no_copy_xattrs`;
  const format = ["-q", "-F", "-t", "ext4", "-b", String(BLOCK), "-m", "0", "-N", String(inodes), "-U", UUID];
  const features = ["-O", "^has_journal,^resize_inode,^metadata_csum_seed", "-E", extended];
  await run("mke2fs", [...format, ...features, "-d", directory, image], { env: FIXED_TIME });
  await settle(tree, image);
}

/** Adds a block for extended attributes, if there are any. */
function blocksOf(entry: TreeEntry): number {
  const attributes = entry.xattrs === undefined || entry.xattrs.size === 0 ? 0 : 1;
  const bytes =
    entry.type === "file" ? entry.content.length : entry.type === "directory" ? BLOCK : Buffer.byteLength(entry.target);
  return Math.ceil(bytes / BLOCK) + attributes;
}

/** Sets every entry's owner, mode, attributes and time. */
async function settle(tree: Tree, image: string): Promise<void> {
  const values = `${image}.values`;
  await mkdir(values);
  const attributes = await attributeLines(tree, values);
  const root: [string, TreeEntry] = ["", { type: "directory", mode: 0o755 }];
  const lines = [root, ...tree].flatMap(([path, entry]) => {
    const { uid = 0, gid = 0 } = entry;
    const times = ["atime", "mtime", "ctime"].map((field) => [field, "@1"] as const);
    const mode = entry.type === "symlink" ? 0o777 : entry.mode;
    const owned = [["mode", `0${wholeMode(entry.type, mode).toString(8)}`] as const, ["uid", uid] as const];
    const fields = [...owned, ["gid", gid] as const, ...times];
    return fields.map(([field, value]) => `set_inode_field ${quoted(`/${path}`)} ${field} ${value}\n`);
  });
  const commands = [...attributes, ...lines, "set_super_value kbytes_written 0\n"];
  await writeFile(`${image}.debugfs`, commands.join(""));
  const options = { cwd: values, env: FIXED_TIME, bothOutputs: true };
  const said = (await run("debugfs", ["-w", "-f", `${image}.debugfs`, image], options)).toString().split("\n");
  const failed = said.find((line) => line !== "" && !/^debugfs( \d|: (set|ea)_)/.test(line));
  if (failed !== undefined) throw new BuildError(`debugfs ${image}: ${failed}`);
}

/** Returns commands that set extended attributes. Writes each value to a file once. */
async function attributeLines(tree: Tree, values: string): Promise<readonly string[]> {
  const files = new Map<string, string>();
  const lines: string[] = [];
  const done = new Set<TreeEntry>();
  for (const [path, entry] of tree) {
    if (done.has(entry)) continue;
    done.add(entry);
    const bytes = attributeBytes(entry.xattrs);
    if (bytes > ATTRIBUTE_BYTES)
      throw new BuildError(`ext4: ${path} has ${bytes} bytes of extended attributes, more than ${ATTRIBUTE_BYTES}`);
    for (const [name, value] of entry.xattrs ?? []) {
      const key = Buffer.from(value).toString("base64");
      const file = files.get(key) ?? String(files.size);
      if (!files.has(key)) await writeFile(join(values, file), value);
      files.set(key, file);
      lines.push(`ea_set -f ${file} ${quoted(`/${path}`)} ${quoted(name)}\n`);
    }
  }
  return lines;
}

/** Quotes a word for debugfs. A line end would end the command. */
function quoted(name: string): string {
  if (!name.includes("\n")) return `"${name.replaceAll('"', '""')}"`;
  throw new BuildError(`ext4: ${JSON.stringify(name)}: debugfs doesn't support a name with a line end`);
}
