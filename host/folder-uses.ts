import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ifThere } from "../lib/if-there.ts";
import { hasEnded, NOBODY, type PlacedOwner, thisPlacedProcess } from "../lib/process-owner.ts";
import { FolderError } from "../lib/safe-place.ts";
import { writeJson } from "../lib/write-json.ts";
import { isRecorded, type RecordedUse } from "./recorded-use.ts";

/** Says what a process does with a stored folder; a file in it. */
interface Note extends PlacedOwner {
  /** Name of the container or guest that uses the folder; empty for a removal. */
  readonly container: string;
  readonly recorded?: RecordedUse | undefined;
}

/** A note of the kind "kept" depends on a record alone, the others on their process too. */
type Kind = "use" | "kept" | "removal";

interface FoundNote extends Note {
  readonly path: string;
}

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
 * exist or is being removed. Disposal ends the use, unless a record keeps it; so does the end of the process.
 */
export function useFolder(folder: string, container: string, recorded?: RecordedUse): Disposable | undefined {
  const earlier = readNotes(folder, "kept").filter((note) => note.recorded?.record === recorded?.record);
  const note = writeNote(folder, "use", { container, recorded });
  if (note === undefined) return undefined;
  // A remover writes its note and then looks for users, and a user the reverse: at least one sees the other.
  if (readNotes(folder, "removal").length > 0 || !existsSync(note)) {
    rmSync(note, { force: true });
    return undefined;
  }
  return {
    [Symbol.dispose]() {
      if (recorded === undefined || !isRecorded(recorded)) return rmSync(note, { force: true });
      ifThere(() => renameSync(note, noteIn(folder, "kept")));
      for (const { path } of earlier) rmSync(path, { force: true });
    },
  };
}

/** Returns the names of the containers or guests that use the folder, each once. */
export function folderUsers(folder: string): readonly string[] {
  const notes = [...readNotes(folder, "use"), ...readNotes(folder, "kept")];
  return [...new Set(notes.map(({ container }) => container))].sort();
}

/** Calls `remove` while no process can begin to use or remove the folder. Returns false if one does already. */
export function removeUnused(folder: string, remove: () => void): boolean {
  // First without a note: it would refuse a container's next run.
  const note = folderUsers(folder).length > 0 ? undefined : writeNote(folder, "removal", { container: "" });
  if (note === undefined) return false;
  try {
    if (readNotes(folder, "removal").length > 1 || folderUsers(folder).length > 0) return false;
    // Looked at last: what was read is of this folder, which may have been replaced, and no other remover takes it away.
    if (!existsSync(note)) return false;
    remove();
    return true;
  } finally {
    rmSync(note, { force: true });
  }
}

/** Creates a note atomically and returns its path. Returns undefined if the folder doesn't exist. */
function writeNote(folder: string, kind: Kind, what: Pick<Note, "container" | "recorded">): string | undefined {
  const path = noteIn(folder, kind);
  return ifThere(() => {
    writeJson(path, { ...thisPlacedProcess(), ...what } satisfies Note);
    return path;
  });
}

/** Returns a new note's path. */
function noteIn(folder: string, kind: Kind): string {
  return join(usesOf(folder), `${kind}-${randomBytes(8).toString("hex")}`);
}

/** Returns the notes that hold, and removes the others. */
function readNotes(folder: string, kind: Kind): readonly FoundNote[] {
  // Without those that are being written.
  const whole = new RegExp(`^${kind}-[0-9a-f]+$`);
  return notesIn(usesOf(folder))
    .filter((name) => whole.test(name))
    .flatMap((name) => {
      const path = join(usesOf(folder), name);
      const note = readNote(path);
      if (note === undefined) return [];
      // In this order: a record exists before its process ends.
      const hasLeft = hasEnded(kind === "kept" ? { ...note, ...NOBODY } : note);
      if (!hasLeft || (note.recorded !== undefined && isRecorded(note.recorded))) return { ...note, path };
      rmSync(path, { force: true });
      return [];
    });
}

/** Throws if the folder of notes can't be read: an unknown user is not to be taken for none. */
function notesIn(directory: string): readonly string[] {
  return ifThere(() => readdirSync(directory).sort()) ?? [];
}

function readNote(path: string): Note | undefined {
  const text = ifThere(() => readFileSync(path, "utf8"));
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Note);
  } catch (error) {
    throw new FolderError(`${path}: the note is damaged; remove the file`, { cause: error });
  }
}
