import { copyFile, rename } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { BuildError } from "../build-error.ts";
import { cacheDirectory } from "../cache-directory.ts";
import { exists } from "../exists.ts";
import { run } from "../run.ts";
import { withTemporary } from "../with-temporary.ts";

/**
 * Returns the path of the npm package's Node for this architecture. It goes into the image and creates the code cache.
 */
export function packagedNode(): string {
  const name = `node-linux-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), "bin", "node");
  } catch {
    throw new BuildError(`${name} is missing from node_modules: run npm ci`);
  }
}

/**
 * Returns Node without its symbols, stripped once and kept in the cache.
 * @param digest digest of the program's content
 */
export async function strippedNode(node: string, digest: string): Promise<string> {
  const target = cacheDirectory("node", digest);
  if (await exists(target)) return target;
  await withTemporary(dirname(target), async (temporary) => {
    await copyFile(node, join(temporary, "node"));
    await run("strip", [join(temporary, "node")]);
    await rename(join(temporary, "node"), target);
  });
  return target;
}
