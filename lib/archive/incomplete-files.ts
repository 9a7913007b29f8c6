import { createHash } from "node:crypto";
import { unlinkSync } from "node:fs";
import { opendir } from "node:fs/promises";
import { codeOf } from "./archive-error.ts";
import { bytesOf, type Member, TEMPORARY } from "./member.ts";
import { pathIn } from "./tree-sys.ts";

/** Most entries of a directory that are looked at; a container controls how many it has. */
const MAX_ENTRIES = 1 << 18;

/**
 * Returns the name that a copy gives a member until it is complete. It depends on the member and its version, so that no
 * file is continued with the bytes of another, or of an earlier one.
 */
export function incompleteName(copyId: string, { name, version }: Pick<Member, "name" | "version">): Buffer {
  const hash = createHash("sha256").update(bytesOf(name)).update("\0").update(version).digest("hex");
  return Buffer.from(`${TEMPORARY}${copyId}-${hash.slice(0, 32)}`);
}

/** Removes what a copy has left incomplete in a directory, but not the file `kept`. */
export async function removeIncomplete(dir: number, copyId: string, kept: Buffer): Promise<void> {
  const names: string[] = [];
  let entries = 0;
  for await (const { name } of await opendir(pathIn(dir).toString(), { encoding: "latin1" as "utf8" })) {
    if (name.startsWith(`${TEMPORARY}${copyId}-`) && name !== kept.toString("latin1")) names.push(name);
    if (++entries > MAX_ENTRIES) break;
  }
  for (const name of names) removeFile(pathIn(dir, bytesOf(name)));
}

/** Removes a file or link, whatever it is; throws for a directory. */
export function removeFile(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}
