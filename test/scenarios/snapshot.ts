import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** Returns every name below a directory with its type, mode, size and times, to compare before and after. */
export function snapshot(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { mode, size, mtimeMs, ctimeMs } = lstatSync(path);
      return [path, mode, size, mtimeMs, ctimeMs, entry.isSymbolicLink() ? readlinkSync(path) : ""].join(" ");
    })
    .sort();
}
