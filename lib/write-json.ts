import { renameSync, rmSync, writeFileSync } from "node:fs";

/** Writes a value as JSON to a file that only this user can read: whole, or not at all. */
export function writeJson(path: string, value: object): void {
  renameSync(writeJsonBeside(path, value), path);
}

/** Writes a value to a new file beside `path`, and returns its path. If this fails, nothing is left. */
export function writeJsonBeside(path: string, value: object): string {
  const fresh = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(fresh, `${JSON.stringify(value)}\n`, { mode: 0o600 });
    return fresh;
  } catch (error) {
    rmSync(fresh, { force: true });
    // Node names no file if the disk is full.
    const { code } = error as NodeJS.ErrnoException;
    const message = `write ${path}: ${code}; check the space and the permissions of its folder`;
    throw Object.assign(error as Error, { message, path });
  }
}
