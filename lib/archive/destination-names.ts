import { ArchiveError } from "./archive-error.ts";
import { type Member, shown, TEMPORARY } from "./member.ts";

const MAX_DEPTH = 128;
const MAX_NAME = 255;

/** Replaces the first name of every member, which is the archive's own. An empty `to` removes it. */
export interface Rename {
  readonly from: string;
  readonly to: string;
  /** True if the archive was announced as a directory and everything in it, otherwise as one file or link. */
  readonly directory: boolean;
}

/** Returns a member's names below the directory that it is extracted to. Throws if it isn't what was announced. */
export function namesOf({ name, type }: Pick<Member, "name" | "type">, rename: Rename | undefined): string[] {
  const names = destinationNames(name, rename);
  if (rename === undefined) return names;
  const isBelow = names.length > (rename.to === "" ? 0 : 1);
  if (rename.directory ? isBelow || type === "directory" : !isBelow && type !== "directory") return names;
  const announced = rename.directory ? "a directory" : "a file";
  throw new ArchiveError(
    "invalid-argument",
    `${shown(name)}: the sender announced ${announced} and sent something else`,
  );
}

/** Returns a member's names below the directory that it is extracted to. Throws if they could lead out of it. */
export function destinationNames(name: string, rename: Rename | undefined): string[] {
  const refuse = (why: string) => new ArchiveError("invalid-argument", `${shown(name)}: its name ${why}`);
  if (name.startsWith("/")) throw refuse("is absolute");
  if (name.includes("\0")) throw refuse("contains a NUL byte");
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refuse('contains ".."');
  if (parts.length > MAX_DEPTH) throw refuse(`has more than ${MAX_DEPTH} parts`);
  if (parts.some((part) => part.length > MAX_NAME)) throw refuse(`has a part of over ${MAX_NAME} bytes`);
  if (parts.some((part) => part.startsWith(TEMPORARY))) throw refuse("is one of guestd's own temporary names");
  if (rename === undefined) return parts;
  if (parts[0] !== rename.from) throw refuse(`does not begin with ${shown(rename.from)}`);
  return rename.to === "" ? parts.slice(1) : [rename.to, ...parts.slice(1)];
}
