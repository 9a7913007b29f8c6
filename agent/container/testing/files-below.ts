import { join } from "node:path";
import { type Files, realFiles } from "../../kernel/files.ts";

const GUEST_ONLY = /^\/(run|sys)\//;

/** Real files for tests, but those below /run and /sys are in `root`. */
export function filesBelow(root: string): Files {
  const at = (path: string) => (GUEST_ONLY.test(path) ? join(root, path) : path);
  return {
    ...realFiles,
    readText: (path) => realFiles.readText(at(path)),
    writeText: (path, text) => realFiles.writeText(at(path), text),
    replace: (path, text, mode) => realFiles.replace(at(path), text, mode),
    exists: (path) => realFiles.exists(at(path)),
    list: (path) => realFiles.list(at(path)),
    makeDirectory: (path, mode) => realFiles.makeDirectory(at(path), mode),
    removeDirectory: (path) => realFiles.removeDirectory(at(path)),
    removeTree: (path) => realFiles.removeTree(at(path)),
  };
}
