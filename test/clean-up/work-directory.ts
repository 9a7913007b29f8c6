import { mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";

/** For files that tests need at the same path inside a namespace, where /tmp is another. In the build folder. */
export const WORK = join(import.meta.dirname, "../../build/test");

/** A new directory in WORK. The caller removes it; after a run that was killed the janitor does, by the pid in its name. */
export function makeWorkDirectory(name: string): string {
  mkdirSync(WORK, { recursive: true });
  return mkdtempSync(join(WORK, `${name}-${process.pid}-`));
}
