import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../lib/names-in.ts";
import { hasEnded, type PlacedOwner, thisPlacedProcess } from "../lib/process-owner.ts";

/** Says what a process does with a stored folder; a file in it. */
interface Note extends PlacedOwner {
  /** Name of the container or guest that uses the folder; empty for a removal. */
  readonly container: string;
}

type Kind = "use" | "removal";

/** Creates the folder of notes in a new folder, before that appears in its store. */
export function prepareUses(folder: string): void {
  mkdirSync(usesOf(folder), { mode: 0o700 });
}

/** Returns the folder of notes. The time of its last change is that of the folder's last use. */
export function usesOf(folder: string): string {
  return join(folder, "uses");
}

/**
 * Notes that this process uses a folder, so that no other process removes it. Returns undefined if the folder doesn't
 * exist or is being removed. Disposal ends the use; so does the end of the process.
 */
export function useFolder(folder: string, container: string): Disposable | undefined {
  const use = writeNote(folder, "use", container);
  // A remover writes its note and then looks for users, and a user the reverse: at least one sees the other.
  if (use === undefined || readNotes(folder, "removal").length === 0) return use;
  use[Symbol.dispose]();
  return undefined;
}

/** Returns the names of the containers or guests whose processes use the folder. */
export function folderUsers(folder: string): readonly string[] {
  return readNotes(folder, "use").map(({ container }) => container);
}

/** Calls `remove` while no process can begin to use the folder. Returns false if one does already. */
export function removeUnused(folder: string, remove: () => void): boolean {
  using note = writeNote(folder, "removal", "");
  if (note === undefined || folderUsers(folder).length > 0) return false;
  remove();
  return true;
}

/** Creates a note atomically. Returns undefined if the folder doesn't exist. */
function writeNote(folder: string, kind: Kind, container: string): Disposable | undefined {
  const name = randomBytes(8).toString("hex");
  const path = join(usesOf(folder), `${kind}-${name}`);
  const temporary = join(usesOf(folder), `.${name}`);
  try {
    writeFileSync(temporary, JSON.stringify({ ...thisPlacedProcess(), container } satisfies Note), { mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

/** Returns the notes of processes that run, and removes the others. */
function readNotes(folder: string, kind: Kind): readonly Note[] {
  const notes = usesOf(folder);
  return namesIn(notes)
    .filter((name) => name.startsWith(`${kind}-`))
    .flatMap((name) => {
      const note = readNote(join(notes, name));
      if (note === undefined || !hasEnded(note)) return note ?? [];
      rmSync(join(notes, name), { force: true });
      return [];
    });
}

function readNote(path: string): Note | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Note;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
