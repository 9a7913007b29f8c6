import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../../lib/names-in.ts";
import { hasEnded, type PlacedOwner, thisPlacedProcess } from "../../lib/process-owner.ts";

/** Says what a process does with an image; a file in the image's folder. */
interface Note extends PlacedOwner {
  /** Name of the container that uses the image; empty for a removal. */
  readonly container: string;
}

type Kind = "use" | "removal";

/** Creates the folder of notes in the folder of a new image. */
export function prepareUses(image: string): void {
  mkdirSync(usesOf(image), { mode: 0o700 });
}

/** Returns the folder of notes. The time of its last change is that of the image's last use. */
export function usesOf(image: string): string {
  return join(image, "uses");
}

/**
 * Notes that this process uses the image in a folder, so that no other process removes it. Returns undefined if the
 * image doesn't exist or is being removed. Disposal ends the use; so does the end of the process.
 */
export function useImage(image: string, container: string): Disposable | undefined {
  const use = writeNote(image, "use", container);
  // A remover writes its note and then looks for users, and a user the reverse: at least one sees the other.
  if (use === undefined || readNotes(image, "removal").length === 0) return use;
  use[Symbol.dispose]();
  return undefined;
}

/** Returns the names of the containers whose processes use the image. */
export function imageUsers(image: string): readonly string[] {
  return readNotes(image, "use").map(({ container }) => container);
}

/** Calls `remove` while no process can begin to use the image. Returns false if one does already. */
export function removeUnused(image: string, remove: () => void): boolean {
  using note = writeNote(image, "removal", "");
  if (note === undefined || imageUsers(image).length > 0) return false;
  remove();
  return true;
}

/** Creates a note atomically. Returns undefined if the image doesn't exist. */
function writeNote(image: string, kind: Kind, container: string): Disposable | undefined {
  const name = randomBytes(8).toString("hex");
  const path = join(usesOf(image), `${kind}-${name}`);
  const temporary = join(usesOf(image), `.${name}`);
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
function readNotes(image: string, kind: Kind): readonly Note[] {
  const folder = usesOf(image);
  return namesIn(folder)
    .filter((name) => name.startsWith(`${kind}-`))
    .flatMap((name) => {
      const note = readNote(join(folder, name));
      if (note === undefined || !hasEnded(note)) return note ?? [];
      rmSync(join(folder, name), { force: true });
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
