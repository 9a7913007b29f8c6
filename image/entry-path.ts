import { ImageError } from "./image-error.ts";
import { MAX_DEPTH } from "./resolve-in-root.ts";

/**
 * A name of a layer's tar as parts below the root; empty for the root itself. A leading slash and "." say nothing; a name
 * with ".." is refused, as no builder writes one, and so is one of very many parts, which would be as many directories.
 */
export function entryPath(name: string): string[] {
  if (name.includes("\0")) throw new ImageError("its name has a NUL byte");
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new ImageError('its name has ".." in it and could lead out of the image');
  if (parts.length > MAX_DEPTH) throw new ImageError(`its name has ${parts.length} parts, more than ${MAX_DEPTH}`);
  return parts;
}

/** What the last part of a name means for the layers below. */
export type Whiteout = { readonly hides: "name"; readonly name: string } | { readonly hides: "siblings" | "nothing" };

/** undefined for an ordinary name. */
export function whiteoutOf(name: string): Whiteout | undefined {
  if (!name.startsWith(".wh.")) return undefined;
  if (name === ".wh..wh..opq") return { hides: "siblings" };
  // aufs keeps its own files under such names; they are no part of the image.
  if (name.startsWith(".wh..wh.")) return { hides: "nothing" };
  const hidden = name.slice(".wh.".length);
  if (hidden === "" || hidden === "." || hidden === "..") throw new ImageError(`"${name}" is not a lawful whiteout`);
  return { hides: "name", name: hidden };
}
