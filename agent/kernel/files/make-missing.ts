import { posix } from "node:path";
import { O_DIRECTORY, O_PATH } from "../constants.ts";
import { SystemError } from "../error.ts";
import type { Served } from "./contained-files.ts";
import { PLAIN, ROOT } from "./served-files.ts";

/**
 * Creates a directory of the guest below its last existing parent, following no symbolic links; resolves to false if it
 * exists.
 */
export async function makeMissing(files: Served, path: string): Promise<boolean> {
  if (path === "/" || (await mayExist(files, path))) return false;
  const above = posix.dirname(path);
  await makeMissing(files, above);
  await inParent(files, path, (dir, name) => files.mkdir(dir, name, 0o755));
  return true;
}

/** Runs `use` with the directory (O_PATH) that holds an entry of the guest, and the entry's name. Follows no symbolic links. */
export function inParent<T>(files: Served, path: string, use: (dir: number, name: Buffer) => Promise<T>): Promise<T> {
  const name = Buffer.from(posix.basename(path));
  return files.using(files.open(ROOT, posix.dirname(path), O_PATH | O_DIRECTORY, PLAIN), (dir) => use(dir, name));
}

/** A path that may not be entered counts as existing. */
async function mayExist(files: Served, path: string): Promise<boolean> {
  try {
    await files.using(files.open(ROOT, path, O_PATH, PLAIN), async () => undefined);
    return true;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return error.code !== "ENOENT";
  }
}
