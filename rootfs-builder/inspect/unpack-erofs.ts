import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryPlace } from "../../lib/safe-place.ts";
import { BuildError } from "../build-error.ts";
import { run } from "../run.ts";
import type { Tree, TreeFile } from "../tree/tree.ts";
import { withTemporary } from "../with-temporary.ts";
import { MOST_BYTES, PATIENCE } from "./bounds.ts";
import { shown } from "./check.ts";
import { type Erofs, SUPERBLOCK } from "./read-erofs.ts";

const APART: readonly unknown[] = ["compressed", "chunks"];
const DIRENT = 12;
/** Digits of a number that stands for a name. */
const DIGITS = 6;
const FILE = 1;
const DIRECTORY = 2;

/**
 * The tree with the content of files that are compressed or in chunks, by fsck.erofs. That sees them in a root directory
 * of our own, by numbers: no name of the image becomes one on this machine.
 */
export function unpackedErofs(bytes: Buffer, erofs: Erofs): Promise<Tree> {
  const { tree, layouts, inodes } = erofs;
  const packed = [...tree].flatMap(([path, entry]) =>
    entry.type === "file" && APART.includes(layouts.get(path)) ? [[path, entry] as const] : [],
  );
  const names = new Map<number, string>();
  let total = 0;
  for (const [path] of packed) {
    const { node = 0, size = 0 } = inodes.get(path) ?? {};
    if (names.has(node)) continue;
    names.set(node, String(names.size).padStart(DIGITS, "0"));
    total += size;
    if (total > MOST_BYTES) throw new BuildError("EROFS: its files have more than 2 GiB");
  }
  return withTemporary(temporaryPlace(), async (work) => {
    await writeFile(join(work, "image"), withNumberedFiles(bytes, erofs, names));
    await mkdir(join(work, "files"));
    await run("fsck.erofs", ["--no-preserve", "--extract=files", "image"], { ...PATIENCE, cwd: work });
    const whole: Tree = new Map(tree);
    const known = new Map<number, TreeFile>();
    for (const [path, entry] of packed) {
      const { node = 0, size } = inodes.get(path) ?? {};
      const file = known.get(node) ?? {
        ...entry,
        content: await contentOf(join(work, "files", names.get(node) ?? "")),
      };
      if (file.content.length !== size) {
        throw new BuildError(`EROFS: /${shown(path)} has ${file.content.length} bytes, not ${size}`);
      }
      whole.set(path, file);
      known.set(node, file);
    }
    return whole;
  });
}

/** Of a file of ours, whatever mode it came with. */
async function contentOf(file: string): Promise<Buffer> {
  await chmod(file, 0o600);
  return readFile(file);
}

/** The file system with another root directory, behind all else, in which the inodes have their numbers as names. */
function withNumberedFiles(bytes: Buffer, { blockSize, inodes }: Erofs, names: ReadonlyMap<number, string>): Buffer {
  const root = inodes.get("");
  if (root === undefined) throw new BuildError("EROFS: it has no root directory");
  const blocks = Math.ceil(bytes.length / blockSize);
  const entries = [...names].map(([node, name]) => ({ name, node, type: FILE }));
  const own = [".", ".."].map((name) => ({ name, node: root.node, type: DIRECTORY }));
  const directory = directoryBlocks([...own, ...entries], blockSize);
  const copy = Buffer.alloc(blocks * blockSize + directory.length);
  bytes.copy(copy);
  directory.copy(copy, blocks * blockSize);
  // Its checksum is of what it was.
  copy.writeUInt32LE((copy.readUInt32LE(SUPERBLOCK + 8) & ~1) >>> 0, SUPERBLOCK + 8);
  copy.writeUInt32LE(copy.length / blockSize, SUPERBLOCK + 36);
  copy.fill(0, root.at, root.at + 32);
  copy.writeUInt16LE(0o40_700, root.at + 4);
  copy.writeUInt16LE(2, root.at + 6);
  copy.writeUInt32LE(directory.length, root.at + 8);
  copy.writeUInt32LE(blocks, root.at + 16);
  return copy;
}

/** Blocks of records, then the names. */
function directoryBlocks(
  entries: readonly { readonly name: string; readonly node: number; readonly type: number }[],
  blockSize: number,
): Buffer {
  const each = Math.floor(blockSize / (DIRENT + DIGITS));
  const blocks: Buffer[] = [];
  for (let first = 0; first < entries.length; first += each) {
    const some = entries.slice(first, first + each);
    const block = Buffer.alloc(blockSize);
    let nameAt = some.length * DIRENT;
    for (const [at, { name, node, type }] of some.entries()) {
      block.writeBigUInt64LE(BigInt(node), at * DIRENT);
      block.writeUInt16LE(nameAt, at * DIRENT + 8);
      block.writeUInt8(type, at * DIRENT + 10);
      nameAt += block.write(name, nameAt);
    }
    blocks.push(block);
  }
  return Buffer.concat(blocks);
}
