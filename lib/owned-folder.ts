import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { hasEnded, type PlacedOwner, type ProcessOwner, thisPlacedProcess } from "./process-owner.ts";
import { removeTree } from "./remove-tree.ts";
import { FolderError } from "./safe-place.ts";
import { writeJson } from "./write-json.ts";

/** File in an owned folder that names its process. */
export const OWNER_NOTE = ".owner.json";
/** End of a name by mkdtemp, unlike that of `guestd-<uid>`. */
const RANDOM = /-(?!\d+$)[A-Za-z0-9]{6}$/;
/** Milliseconds after which a process has long written its note. */
const OLD_MS = 60_000;
const cleaned = new Set<string>();

/**
 * Creates a folder with an unpredictable name that starts with `prefix`, in a place where other users can't replace it,
 * and records this process as its owner. The caller removes the folder. If a killed process leaves one behind, the next
 * process that creates its first folder there removes it in the background. Throws FolderError on a full disk, and leaves
 * nothing.
 */
export function makeOwnedFolder(prefix: string): string {
  const folder = mkdtempSync(prefix);
  try {
    writeFileSync(join(folder, OWNER_NOTE), JSON.stringify(thisPlacedProcess()), { mode: 0o600 });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true }); // without its note it would stay for good
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["ENOSPC", "EDQUOT"].includes(code)) throw error;
    throw new FolderError(`${dirname(prefix)}: the disk is full; free some space there`, { cause: error });
  }
  const [kind = ""] = /^[a-z]+-/.exec(basename(prefix)) ?? [];
  const place = join(dirname(prefix), kind);
  if (!cleaned.has(place)) {
    cleaned.add(place);
    void removeAbandonedFolders(dirname(prefix), kind).catch(() => undefined);
  }
  return folder;
}

/** Makes a folder that this process owns another process's: it is left behind only once that one has ended. */
export function giveFolder(folder: string, to: ProcessOwner): void {
  writeJson(join(folder, OWNER_NOTE), { ...thisPlacedProcess(), ...to });
}

/**
 * Removes this user's folders in `parent` that `makeOwnedFolder` created with this prefix and whose process, in this
 * pid namespace, has ended, and old ones that are empty or have an empty note, whose process was killed before it wrote its note.
 * Keeps all others: with files but without a note, accessible to others, of another container.
 */
export async function removeAbandonedFolders(parent: string, kind: string): Promise<void> {
  for (const name of readdirSync(parent)) {
    const folder = join(parent, name);
    if (name.startsWith(kind) && RANDOM.test(name)) removeOldEmpty(folder);
    if (!name.startsWith(kind) || !isAbandoned(folder)) continue;
    // Removes the note last, so that an interrupted removal can continue the next time.
    for (const entry of readdirSync(folder)) if (entry !== OWNER_NOTE) await removeTree(join(folder, entry));
    await removeTree(folder);
  }
}

function removeOldEmpty(folder: string): void {
  try {
    if (!isPrivate(folder) || Date.now() - lstatSync(folder).ctimeMs <= OLD_MS) return;
    const note = join(folder, OWNER_NOTE);
    if (readdirSync(folder).length === 1 && lstatSync(note).size === 0) unlinkSync(note);
    rmdirSync(folder);
  } catch {
    // It has files, or another process has removed it.
  }
}

function isPrivate(folder: string): boolean {
  const found = lstatSync(folder);
  return found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o077) === 0;
}

function isAbandoned(folder: string): boolean {
  try {
    if (!isPrivate(folder)) return false;
    const owner = JSON.parse(readFileSync(join(folder, OWNER_NOTE), "utf8")) as PlacedOwner;
    return owner.boot === thisPlacedProcess().boot && hasEnded(owner);
  } catch {
    return false;
  }
}
