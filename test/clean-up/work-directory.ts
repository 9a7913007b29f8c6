import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";

const repository = join(import.meta.dirname, "../..");
const uid = process.getuid?.() ?? 0;
const clone = createHash("sha256").update(repository).digest("hex").slice(0, 8);

/**
 * Folder for files that a test needs at the same path in its namespaces, where /tmp is another. It is in the build
 * folder.
 */
export const WORK = join(repository, "build/test");

/**
 * Folder of this clone for files that other users need as well: the root of a container's user namespace has to enter it,
 * and the clone may be in a folder that only root can enter.
 */
export const OPEN_WORK = `/var/tmp/guestd-test-${uid}-${clone}`;

/** Creates a directory in WORK. The caller removes it. After a killed run the janitor does, by the pid in its name. */
export function makeWorkDirectory(name: string): string {
  mkdirSync(WORK, { recursive: true });
  return mkdtempSync(join(WORK, `${name}-${process.pid}-`));
}

/** Creates a directory in OPEN_WORK, as makeWorkDirectory does; its mode is the caller's. */
export function makeOpenDirectory(name: string): string {
  for (;;) {
    try {
      mkdirSync(OPEN_WORK, { recursive: true });
      const found = lstatSync(OPEN_WORK);
      if (!found.isDirectory() || found.uid !== uid)
        throw new Error(`${OPEN_WORK}: not a folder of this user; remove it`);
      chmodSync(OPEN_WORK, 0o755); // whatever the umask
      return mkdtempSync(join(OPEN_WORK, `${name}-${process.pid}-`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error; // another run's janitor removed it while empty
    }
  }
}
