import { BLOCK } from "./disk-file.ts";

/** Bytes of a record; names follow the records of their block. */
const RECORD = 12;

export interface DirectoryEntry {
  readonly name: Buffer;
  readonly node: number;
  readonly type: number;
}

/** Splits sorted names into the blocks of a directory. */
function blocksOf<T extends { readonly name: Buffer }>(entries: readonly T[]): T[][] {
  const blocks: T[][] = [];
  let used = BLOCK;
  for (const entry of entries) {
    const more = RECORD + entry.name.length;
    if (used + more > BLOCK) {
      blocks.push([]);
      used = 0;
    }
    blocks.at(-1)?.push(entry);
    used += more;
  }
  return blocks;
}

/** Returns the size in bytes of a directory with these sorted names. */
export function directorySize(names: readonly Buffer[]): number {
  const blocks = blocksOf(names.map((name) => ({ name })));
  const last = blocks.at(-1) ?? [];
  return (blocks.length - 1) * BLOCK + last.reduce((sum, { name }) => sum + RECORD + name.length, 0);
}

/** Returns the content of a directory; its entries are sorted by the bytes of their names. */
export function directoryBytes(entries: readonly DirectoryEntry[]): Buffer {
  const blocks = blocksOf(entries).map((block) => {
    const records = Buffer.alloc(block.length * RECORD);
    let nameAt = records.length;
    for (const [index, { name, node, type }] of block.entries()) {
      records.writeBigUInt64LE(BigInt(node), index * RECORD);
      records.writeUInt16LE(nameAt, index * RECORD + 8);
      records.writeUInt8(type, index * RECORD + 10);
      nameAt += name.length;
    }
    return Buffer.concat([records, ...block.map(({ name }) => name)]);
  });
  const last = blocks.pop() ?? Buffer.alloc(0);
  const whole = blocks.map((block) => Buffer.concat([block], BLOCK));
  return Buffer.concat([...whole, last]);
}
