import { hexOf, invalidStorage, type LayerWords, numberOf } from "./layer-words.ts";
import type { VerityTree } from "./verity.ts";

/** Parses the dmverity. options of a layer. Returns undefined if there are none. */
export function parseVerity({ flags, values }: LayerWords): VerityTree | undefined {
  const rootHash = values.get("dmverity.roothash");
  if (!flags.has("dmverity-enabled")) {
    // Without verification the disk would wrongly pass for verified.
    const given = [...values.keys()].find((name) => name.startsWith("dmverity."));
    if (given !== undefined) throw invalidStorage(`X-kata.${given} needs X-kata.dmverity-enabled=true`);
    return undefined;
  }
  const hashOffset = values.get("dmverity.hashoffset");
  if (rootHash === undefined || hashOffset === undefined) {
    throw invalidStorage(`dm-verity needs X-kata.dmverity.roothash= and X-kata.dmverity.hashoffset=`);
  }
  const size = (name: string) => {
    const text = values.get(`dmverity.${name}`);
    return text === undefined ? undefined : numberOf(`dmverity.${name}`, text, 512, 65536);
  };
  const [blockSize, hashBlockSize, salt] = [size("blocksize"), size("hashsize"), values.get("dmverity.salt")];
  return {
    rootHash: hexOf("dmverity.roothash", rootHash),
    hashOffset: numberOf("dmverity.hashoffset", hashOffset, 512, Number.MAX_SAFE_INTEGER),
    blockSize,
    hashBlockSize,
    ...(salt === undefined || salt === "-" ? {} : { salt: hexOf("dmverity.salt", salt) }),
    superblock: !flags.has("dmverity.no-superblock"),
  };
}
