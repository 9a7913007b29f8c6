import { readFile } from "node:fs/promises";
import { parseJson } from "../../lib/parse-json.ts";
import { reason } from "../../lib/reason.ts";
import { BuildError, hasCode } from "../build-error.ts";
import { type Check, check } from "./check.ts";
import { type VerityParameters, verityRoot } from "./verity-tree.ts";

interface Described {
  readonly rootHash: string;
  readonly salt: string;
  readonly dataBlocks: number;
  readonly dataBlockSize: number;
  readonly hashBlockSize: number;
}

/**
 * Reads the parameters that the builder wrote beside a disk whose hashes have no superblock; undefined if the file
 * doesn't exist.
 */
export async function verityBeside(file: string, rootHash?: string): Promise<Described | undefined> {
  try {
    const { verity } = parseJson(await readFile(`${file}.json`, "utf8"), `${file}.json`) as { verity?: Described };
    return verity === undefined || rootHash === undefined ? verity : { ...verity, rootHash };
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw new BuildError(error instanceof SyntaxError ? error.message : `${file}.json: ${reason(error)}`);
  }
}

/** Checks that the second partition holds the hashes of the first and that they lead to the expected root hash. */
export function verityDiskChecks(data: Buffer, hashes: Buffer, described: Described): readonly Check[] {
  const { rootHash, salt, dataBlocks, dataBlockSize, hashBlockSize } = described;
  const parameters: VerityParameters = { dataBlocks, dataBlockSize, hashBlockSize, salt: Buffer.from(salt, "hex") };
  const found = verityRoot(parameters, hashes, data);
  return [
    check(
      "verity tree",
      found.treeMatches,
      found.treeMatches ? "matches the data" : "differs from the data",
      "a match",
    ),
    check("verity root hash", found.rootHash === rootHash, found.rootHash, rootHash),
  ];
}
