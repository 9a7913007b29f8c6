import { ImageError } from "../../image/image-error.ts";
import type { TreeEntry } from "./tree.ts";

/** Bytes that Linux gives to one name and to a link's target. */
const MAX_NAME = 255;
export const MAX_TARGET = 4095;
/** Of a whole path: what the kernel takes, less the folder that the tree is written into. */
export const MAX_PATH = 3072;
/** What is decoded in the place of bytes that are not UTF-8: two such names would be one. */
const NOT_UTF8 = "\ufffd";

/** Throws ImageError for a name that no file system of ours takes as it is. */
export function checkPath(path: string): void {
  checkText(path, "its name");
  if (Buffer.byteLength(path) > MAX_PATH) throw new ImageError(`its path has more than ${MAX_PATH} bytes`);
  const long = path.split("/").find((part) => Buffer.byteLength(part) > MAX_NAME);
  if (long !== undefined)
    throw new ImageError(`a name in it has ${Buffer.byteLength(long)} bytes, more than ${MAX_NAME}`);
}

/** The same of what an entry says. */
export function checkEntry(entry: TreeEntry): void {
  if (entry.type !== "symlink") return;
  const { target } = entry;
  checkText(target, "its target");
  if (target === "") throw new ImageError("it is a link to nothing: its target is empty");
  const bytes = Buffer.byteLength(target);
  if (bytes > MAX_TARGET) throw new ImageError(`its target has ${bytes} bytes, more than ${MAX_TARGET}`);
}

function checkText(text: string, what: string): void {
  if (text.includes(NOT_UTF8)) throw new ImageError(`${what} is not UTF-8`);
  if (text.includes("\0")) throw new ImageError(`${what} has a NUL byte`);
}
