import { ImageError } from "./image-error.ts";
import { MAX_DEPTH } from "./resolve-in-root.ts";

/**
 * Splits a layer's entry name into names below the root; the result is empty for the root itself. Ignores a leading
 * slash and ".". Refuses "..", which no image builder writes, and a name with too many parts, each of which would
 * become a directory.
 */
export function entryPath(name: string): string[] {
  if (name.includes("\0")) throw new ImageError("its name has a NUL byte");
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new ImageError('its name has ".." in it and could lead out of the image');
  if (parts.length > MAX_DEPTH) throw new ImageError(`its name has ${parts.length} parts, more than ${MAX_DEPTH}`);
  return parts;
}

/** Effect that the last part of a name has on the layers below. */
export type Whiteout = { readonly hides: "name"; readonly name: string } | { readonly hides: "siblings" | "nothing" };

/** Returns undefined for an ordinary name. */
export function whiteoutOf(name: string): Whiteout | undefined {
  if (!name.startsWith(".wh.")) return undefined;
  if (name === ".wh..wh..opq") return { hides: "siblings" };
  // aufs keeps its own files under these names; they are not part of the image.
  if (name.startsWith(".wh..wh.")) return { hides: "nothing" };
  const hidden = name.slice(".wh.".length);
  if (hidden === "" || hidden === "." || hidden === "..") throw new ImageError(`"${name}" is not a valid whiteout`);
  return { hides: "name", name: hidden };
}
