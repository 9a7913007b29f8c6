import { mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";

/**
 * Folder for files that a test needs at the same path in its namespaces, where /tmp is another. It is in the build
 * folder.
 */
export const WORK = join(import.meta.dirname, "../../build/test");

/** Creates a directory in WORK. The caller removes it. After a killed run the janitor does, by the pid in its name. */
export function makeWorkDirectory(name: string): string {
  mkdirSync(WORK, { recursive: true });
  return mkdtempSync(join(WORK, `${name}-${process.pid}-`));
}
