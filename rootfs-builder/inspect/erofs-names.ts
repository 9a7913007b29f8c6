import { BuildError } from "../build-error.ts";

const RECORD = 12;
const MAX_NAME = 255;

/** What a directory holds: blocks of records, then the names; the first record's name begins where the records end. */
export function* erofsNames(
  data: Buffer,
  blockSize: number,
): Generator<{ readonly name: string; readonly node: number }> {
  for (let start = 0; start < data.length; start += blockSize) {
    const block = data.subarray(start, start + blockSize);
    const count = block.readUInt16LE(8) / RECORD;
    if (count === 0 || !Number.isInteger(count)) throw new BuildError("EROFS: a directory's block without records");
    for (let index = 0; index < count; index++) {
      const nameAt = block.readUInt16LE(index * RECORD + 8);
      const name = nameIn(block, nameAt, index + 1 < count ? block.readUInt16LE(index * RECORD + 20) : block.length);
      if (name !== "." && name !== "..") yield { name, node: Number(block.readBigUInt64LE(index * RECORD)) };
    }
  }
}

/** The last one's ends with a NUL, or with its block. */
function nameIn(block: Buffer, from: number, to: number): string {
  const part = block.subarray(from, Math.min(to, from + MAX_NAME + 1));
  const nul = part.indexOf(0);
  const length = nul < 0 ? part.length : nul;
  if (length > MAX_NAME) throw new BuildError(`EROFS: a name of more than ${MAX_NAME} bytes`);
  return part.toString("utf8", 0, length);
}
