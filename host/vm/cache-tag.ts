import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory, defaultCache } from "./paths.ts";

/**
 * Name of the mark. Backup programs know it as a cache's, by bford.info/cachedir. setup.sh and the release's launcher write the
 * same file.
 */
export const CACHE_TAG = "CACHEDIR.TAG";
const OWN = "# guestd created this folder.";
export const CACHE_TAG_TEXT = `Signature: 8a477f597d28d172789f06886806bc55\n${OWN}\n`;

/** Creates the cache's folder if it doesn't exist, and marks it if it is empty. Whoever writes to it next reports what failed. */
export function createCache(directory = cacheDirectory()): void {
  try {
    mkdirSync(directory, { recursive: true });
    if (readdirSync(directory).length === 0) writeFileSync(join(directory, CACHE_TAG), CACHE_TAG_TEXT);
  } catch {
    // The folder can't be written.
  }
}

/** True if guestd created the cache's folder: its name says so, or its mark. */
export function isOwnCache(): boolean {
  const directory = cacheDirectory();
  if (directory === defaultCache()) return true;
  try {
    return readFileSync(join(directory, CACHE_TAG), "utf8").includes(OWN);
  } catch {
    return false;
  }
}
