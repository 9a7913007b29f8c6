import { renameSync, writeFileSync } from "node:fs";

/** Writes a value as JSON to a file that only this user can read: whole, or not at all. */
export function writeJson(path: string, value: object): void {
  renameSync(writeJsonBeside(path, value), path);
}

/** Writes a value to a new file beside `path`, and returns its path. */
export function writeJsonBeside(path: string, value: object): string {
  const fresh = `${path}.${process.pid}.tmp`;
  writeFileSync(fresh, `${JSON.stringify(value)}\n`, { mode: 0o600 });
  return fresh;
}
