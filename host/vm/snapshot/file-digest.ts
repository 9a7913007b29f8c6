import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { isJsonObject } from "../../../lib/parse-json.ts";
import { makePrivateFolder } from "../../private-folder.ts";
import { userCache } from "../paths.ts";

/** Digests in the cache; the oldest are dropped. */
const LIMIT = 64;

/**
 * Returns the SHA-256 of a file in hexadecimal digits. It is read only once for each combination of inode, size and
 * time of the last change, which the cache keeps.
 */
export async function fileDigest(path: string, cache = defaultCache()): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  const key = [dev, ino, size, mtimeNs, ctimeNs].join(":");
  const known = await readCache(cache);
  const found = known.get(key);
  if (found !== undefined) return found;
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  const digest = hash.digest("hex");
  const entries = [...(await readCache(cache)), [key, digest]].slice(-LIMIT);
  const temporary = `${cache}.${randomUUID()}`; // several files at a time
  await writeFile(temporary, JSON.stringify(Object.fromEntries(entries)), { mode: 0o600 });
  await rename(temporary, cache);
  return digest;
}

function defaultCache(): string {
  return join(makePrivateFolder(userCache("templates")), "digests.json");
}

/** A cache that is missing or damaged is empty. */
async function readCache(path: string): Promise<Map<string, string>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    if (!isJsonObject(value)) return new Map();
    return new Map(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  } catch {
    return new Map();
  }
}
