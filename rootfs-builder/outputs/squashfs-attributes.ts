import { BuildError } from "../build-error.ts";
import { nameWithin } from "../tree/attributes.ts";

/** Name prefixes by their index. */
const CLASSES: readonly string[] = ["user.", "trusted.", "security."];
/** Superblock offset of the extended attribute table's position. */
const TABLE_AT = 56;
const NONE = 0xffff_ffff_ffff_ffffn;
/** Flag in a metadata block's two-byte header: the block isn't compressed. The other bits are its length. */
const PLAIN = 0x8000;
/** Mask for the prefix index in an entry's type; another bit means that the value is stored elsewhere. */
const CLASS = 0xff;

/** Size of an entry in the table of lists: start of the list, number of attributes, bytes. */
const LIST = 16;

/**
 * Replaces placeholder names of extended attributes in a squashfs with the real names, which are equally long without
 * their class. The metadata blocks have to be uncompressed (-noX).
 * @param standing real names by placeholder
 */
export function renameSquashfsAttributes(image: Buffer, standing: ReadonlyMap<string, string>): void {
  const found = image.readBigUInt64LE(TABLE_AT);
  if (found === NONE) return;
  const table = Number(found);
  const [start, end] = [image.readBigUInt64LE(table), image.readBigUInt64LE(table + 16)].map(Number);
  const blocks = blocksOf(image, start ?? 0, end ?? 0);
  const all = Buffer.concat(blocks.map(({ bytes }) => bytes));
  const byPlace = new Map(blocks.map((one) => [BigInt(one.at - (start ?? 0)), one]));
  const lists = Buffer.concat(blocksOf(image, end ?? 0, table).map(({ bytes }) => bytes));
  for (let list = 0; list < image.readUInt32LE(table + 8); list++) {
    const place = lists.readBigUInt64LE(list * LIST);
    const block = byPlace.get(place >> 16n);
    if (block === undefined) throw new BuildError("squashfs: a list of attributes is in no block");
    renameInList(all, block.from + Number(place & 0xffffn), lists.readUInt32LE(list * LIST + 8), standing);
  }
  for (const { bytes, from } of blocks) all.copy(bytes, 0, from, from + bytes.length);
}

function renameInList(all: Buffer, first: number, count: number, standing: ReadonlyMap<string, string>): void {
  let at = first;
  for (let index = 0; index < count; index++) {
    const [type, length] = [all.readUInt16LE(at), all.readUInt16LE(at + 2)];
    const name = `${CLASSES[type & CLASS] ?? "?"}${all.toString("utf8", at + 4, at + 4 + length)}`;
    const real = standing.get(name);
    if (real !== undefined) {
      all.writeUInt16LE((type & ~CLASS) | CLASSES.findIndex((one) => real.startsWith(one)), at);
      all.write(nameWithin(real), at + 4);
    }
    at += 4 + length;
    at += 4 + all.readUInt32LE(at);
  }
}

interface Block {
  readonly bytes: Buffer;
  /** Offset of its header in the image. */
  readonly at: number;
  /** Total size of the blocks before it. */
  readonly from: number;
}

/** Returns the metadata blocks between two offsets. */
function blocksOf(image: Buffer, start: number, end: number): readonly Block[] {
  const blocks: Block[] = [];
  let from = 0;
  for (let at = start; at < end; ) {
    const header = image.readUInt16LE(at);
    if ((header & PLAIN) === 0) throw new BuildError("squashfs: its attributes are compressed");
    const bytes = image.subarray(at + 2, at + 2 + (header & ~PLAIN));
    blocks.push({ bytes, at, from });
    from += bytes.length;
    at += 2 + bytes.length;
  }
  return blocks;
}
