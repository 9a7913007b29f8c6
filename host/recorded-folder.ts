import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../lib/names-in.ts";
import { OWNER_NOTE } from "../lib/owned-folder.ts";
import { isJsonObject } from "../lib/parse-json.ts";
import { hasEnded, type PlacedOwner, thisPlacedProcess } from "../lib/process-owner.ts";
import { makePrivateFolder, makeTemporaryFolder } from "./private-folder.ts";

/** Where a record names a folder. */
export interface FolderRecord {
  /** Path of the record. */
  readonly record: string;
  readonly field: "layer" | "saved";
}

/** A note in a folder, with the pid namespace and the boot in which it was made. */
interface RecordNote extends FolderRecord, Pick<PlacedOwner, "namespace" | "boot"> {
  /** Id of the disk below a layer, once it was used. */
  readonly image?: string;
}

const NOTE = "note.json";

/**
 * Creates a folder in a private one. It belongs to this process until a record names it (`belongsToRecord`), then to the
 * record. Leftovers of killed processes are removed before, except those of other pid namespaces, whose records may be out of
 * sight. Throws FolderError.
 */
export function makeRecordedFolder(parent: string, prefix: string, where: FolderRecord): string {
  const root = makePrivateFolder(parent);
  for (const name of namesIn(root)) {
    const folder = join(root, name);
    if (name.startsWith(prefix) && isLeft(folder)) rmSync(folder, { recursive: true, force: true });
  }
  const folder = makeTemporaryFolder(prefix, root);
  const { namespace, boot } = thisPlacedProcess();
  writeRecordNote(folder, { ...where, namespace, boot });
  return folder;
}

/** Notes that a record names the folder. */
export function belongsToRecord(folder: string): void {
  rmSync(join(folder, OWNER_NOTE), { force: true });
}

export function readRecordNote(folder: string): RecordNote | undefined {
  return readJson(join(folder, NOTE)) as RecordNote | undefined;
}

export function writeRecordNote(folder: string, note: RecordNote): void {
  writeFileSync(join(folder, NOTE), JSON.stringify(note), { mode: 0o600 });
}

/** True for a folder whose process has ended before a record named it, and for one whose record is gone. */
function isLeft(folder: string): boolean {
  // In this order: a record exists before the owner's note goes.
  const owner = readJson(join(folder, OWNER_NOTE));
  if (owner !== undefined) return hasEnded(owner as unknown as PlacedOwner);
  const note = readRecordNote(folder);
  if (note === undefined) return false;
  const { namespace, boot } = thisPlacedProcess();
  if (note.boot === boot && note.namespace !== namespace) return false;
  // Notes of an older guestctl have no field.
  return readJson(note.record)?.[note.field ?? "layer"] !== folder;
}

function readJson(path: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
