import { ImageError } from "../../image/image-error.ts";
import type { TreeEntry } from "./tree.ts";

/** Linux's limits for one name and for a link's target, in bytes. */
const MAX_NAME = 255;
export const MAX_TARGET = 4095;
/** Limit for a whole path: the kernel's, minus the directory that the tree is written to. */
export const MAX_PATH = 3072;
/** The decoder's replacement for bytes that are not UTF-8: it could make two different names equal. */
const NOT_UTF8 = "\ufffd";

/** Throws ImageError for a name that one of our file systems can't hold. */
export function checkPath(path: string): void {
  checkText(path, "its name");
  if (Buffer.byteLength(path) > MAX_PATH) throw new ImageError(`its path has more than ${MAX_PATH} bytes`);
  const long = path.split("/").find((part) => Buffer.byteLength(part) > MAX_NAME);
  if (long !== undefined)
    throw new ImageError(`a name in it has ${Buffer.byteLength(long)} bytes, more than ${MAX_NAME}`);
}

/** Throws ImageError for a target that one of our file systems can't hold. */
export function checkEntry(entry: TreeEntry): void {
  if (entry.type !== "symlink") return;
  const { target } = entry;
  checkText(target, "its target");
  if (target === "") throw new ImageError("its target is empty");
  const bytes = Buffer.byteLength(target);
  if (bytes > MAX_TARGET) throw new ImageError(`its target has ${bytes} bytes, more than ${MAX_TARGET}`);
}

function checkText(text: string, what: string): void {
  if (text.includes(NOT_UTF8)) throw new ImageError(`${what} is not UTF-8`);
  if (text.includes("\0")) throw new ImageError(`${what} has a NUL byte`);
}
