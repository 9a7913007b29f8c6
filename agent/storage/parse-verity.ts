import { hexOf, type LayerWords, numberOf, refuse } from "./layer-words.ts";
import type { VerityTree } from "./verity.ts";

/** What the dmverity. words of a layer say; undefined for one that has none. */
export function parseVerity({ flags, values }: LayerWords): VerityTree | undefined {
  const rootHash = values.get("dmverity.roothash");
  if (!flags.has("dmverity-enabled")) {
    // Mounted without what it asks for it would pass for checked.
    const given = [...values.keys()].find((name) => name.startsWith("dmverity."));
    if (given !== undefined) throw refuse(`X-kata.${given} without X-kata.dmverity-enabled=true`);
    return undefined;
  }
  const hashOffset = values.get("dmverity.hashoffset");
  if (rootHash === undefined || hashOffset === undefined) {
    throw refuse(`dm-verity needs X-kata.dmverity.roothash= and X-kata.dmverity.hashoffset=`);
  }
  const size = (name: string) => {
    const text = values.get(`dmverity.${name}`);
    return text === undefined ? undefined : numberOf(`dmverity.${name}`, text, 512, 65536);
  };
  const [blockSize, hashBlockSize, salt] = [size("blocksize"), size("hashsize"), values.get("dmverity.salt")];
  return {
    rootHash: hexOf("dmverity.roothash", rootHash),
    hashOffset: numberOf("dmverity.hashoffset", hashOffset, 512, Number.MAX_SAFE_INTEGER),
    ...(blockSize === undefined ? {} : { blockSize }),
    ...(hashBlockSize === undefined ? {} : { hashBlockSize }),
    ...(salt === undefined || salt === "-" ? {} : { salt: hexOf("dmverity.salt", salt) }),
    superblock: !flags.has("dmverity.no-superblock"),
  };
}
