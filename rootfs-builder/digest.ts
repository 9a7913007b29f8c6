import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "./build-error.ts";
import { listFolder } from "./list-folder.ts";
import { writeJson } from "./write-files.ts";

/** Returns the SHA-256 of several parts in hexadecimal. Where one part ends and the next starts also counts. */
export function digestOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest("hex");
}

/** Digests of files, cached between builds by size, inode and times, so that only changed files are read. */
export class FileDigests {
  readonly #memory: string;
  /** Path → identity of the file, a space, its digest. */
  readonly #known: Map<string, string>;
  #changed = false;

  private constructor(memory: string, known: Map<string, string>) {
    this.#memory = memory;
    this.#known = known;
  }

  /** @param memory cache file; a missing or unreadable one counts as empty */
  static async open(memory: string): Promise<FileDigests> {
    return new FileDigests(memory, await readMap(memory));
  }

  /** Returns the digest of a file's content. */
  async file(path: string): Promise<string> {
    const { size, ino, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    const identity = `${size}/${ino}/${mtimeNs}/${ctimeNs}`;
    const [knownIdentity, knownDigest] = this.#known.get(path)?.split(" ") ?? [];
    if (knownIdentity === identity && knownDigest !== undefined) return knownDigest;
    const digest = await hashFile(path);
    this.#known.set(path, `${identity} ${digest}`);
    this.#changed = true;
    return digest;
  }

  /** Returns the digest of the files in a folder whose relative path `takes` accepts: paths and contents. */
  async folder(directory: string, takes: (path: string) => boolean): Promise<string> {
    const below = (await listFolder(directory, (entry) => entry.isFile())).filter(takes);
    const digests = await Promise.all(below.map(async (path) => [path, await this.file(join(directory, path))]));
    return digestOf(...digests.flat());
  }

  /** Writes the cache if it has changed. */
  async save(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    await writeMap(this.#memory, this.#known);
  }
}

/** Returns the SHA-256 of some bytes in hexadecimal. */
export function sha256Of(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Returns the SHA-256 of a file's content in hexadecimal. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest("hex");
}

/** Reads a map of strings stored as JSON. */
export async function readMap(path: string): Promise<Map<string, string>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    if (!Array.isArray(value)) return new Map();
    return new Map(value.filter((pair): pair is [string, string] => Array.isArray(pair) && pair.every(isString)));
  } catch (error) {
    if (hasCode(error, "ENOENT") || error instanceof SyntaxError) return new Map();
    throw error;
  }
}

export async function writeMap(path: string, map: ReadonlyMap<string, string>): Promise<void> {
  await writeJson(path, [...map]);
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}
