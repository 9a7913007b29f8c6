import { truncate, writeFile } from "node:fs/promises";
import { BuildError } from "../build-error.ts";
import { run } from "../run.ts";
import { hasAttributes } from "../tree/attributes.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";

const BLOCK = 4096;
const MIB = 1024 * 1024;
const UUID = "67756573-7464-4000-8000-000000000001";
const HASH_SEED = "67756573-7464-4000-8000-000000000002";
/** Of an inode with its share of bitmaps and directories. */
const INODE_BYTES = 512;

/** The clock of mke2fs and debugfs: seconds, and 0 would be taken for "now". */
const FIXED_TIME = { ...process.env, E2FSPROGS_FAKE_TIME: "1", SOURCE_DATE_EPOCH: "1", TZ: "UTC" };

/**
 * An ext4 for reading only: without a journal and without room. mke2fs takes owners and times from the folder, so debugfs
 * sets them afterwards.
 * @param directory the tree, staged
 */
export async function makeExt4(tree: Tree, directory: string, image: string): Promise<void> {
  const entries = new Set(tree.values());
  const content = [...entries].reduce((sum, entry) => sum + Math.ceil(bytesOf(entry) / BLOCK) * BLOCK, 0);
  const inodes = tree.size + 16;
  const size = Math.ceil((content * 1.01 + inodes * INODE_BYTES + 2 * MIB) / MIB) * MIB;
  await writeFile(image, "");
  await truncate(image, size);
  const extended = `root_owner=0:0,hash_seed=${HASH_SEED},lazy_itable_init=0${hasAttributes(tree) ? "" : ",no_copy_xattrs"}`;
  const format = ["-q", "-F", "-t", "ext4", "-b", String(BLOCK), "-m", "0", "-N", String(inodes), "-U", UUID];
  const features = ["-O", "^has_journal,^resize_inode,^metadata_csum_seed", "-E", extended];
  await run("mke2fs", [...format, ...features, "-d", directory, image], { env: FIXED_TIME });
  await settle(tree, image);
}

function bytesOf(entry: TreeEntry): number {
  if (entry.type === "file") return entry.content.length;
  return entry.type === "directory" ? BLOCK : Buffer.byteLength(entry.target);
}

/** Gives everything its owner and the same time. */
async function settle(tree: Tree, image: string): Promise<void> {
  const odd = [...tree.keys()].find((path) => /["\n]/.test(path));
  if (odd !== undefined) {
    throw new BuildError(`ext4: ${JSON.stringify(odd)}: a name with a quote or a line end can't be given to debugfs`);
  }
  const root = ["", { uid: 0, gid: 0 }] as const;
  const lines = [root, ...tree].flatMap(([path, { uid = 0, gid = 0 }]) => {
    const times = ["atime", "mtime", "ctime"].map((field) => [field, "@1"] as const);
    const fields = [["uid", uid] as const, ["gid", gid] as const, ...times];
    return fields.map(([field, value]) => `set_inode_field "/${path}" ${field} ${value}\n`);
  });
  await writeFile(`${image}.debugfs`, `${lines.join("")}set_super_value kbytes_written 0\n`);
  const said = (await run("debugfs", ["-w", "-f", `${image}.debugfs`, image], { env: FIXED_TIME, bothOutputs: true }))
    .toString()
    .split("\n");
  const failed = said.find((line) => line !== "" && !/^debugfs( \d|: set_)/.test(line));
  if (failed !== undefined) throw new BuildError(`debugfs ${image}: ${failed}`);
}
