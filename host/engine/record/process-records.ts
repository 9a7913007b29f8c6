import { rmSync } from "node:fs";
import { join } from "node:path";
import { ifThere } from "../../../lib/if-there.ts";
import { namesIn } from "../../../lib/names-in.ts";
import { writeJson } from "../../../lib/write-json.ts";
import { OperationError } from "../../operation-error.ts";
import { belongsToRecord } from "../../recorded-folder.ts";
import { createRecord, readRecord } from "./record-file.ts";
import type { StateFolder } from "./state-folder.ts";
import type { ProcessEnd, ProcessName, ProcessRecord } from "./state-records.ts";

const PROCESS_FILE = /^process-.+\.json$/;

/** Records of containers' first processes and of execs, one file each in their guest's directory. May throw FolderError. */
export class ProcessRecords {
  readonly #folder: StateFolder;

  constructor(folder: StateFolder) {
    this.#folder = folder;
  }

  /** Returns the records of a guest's processes, oldest first. */
  list(guest: string): readonly ProcessRecord[] {
    const directory = this.#folder.find(guest);
    if (directory === undefined) return [];
    const files = namesIn(directory).filter((name) => PROCESS_FILE.test(name));
    const records = files.flatMap((name) => readRecord<ProcessRecord>(join(directory, name)) ?? []);
    return records.sort((a, b) => a.startedAt.localeCompare(b.startedAt));
  }

  /** Claims a container's name in a guest. Throws OperationError if the name is in use, or the guest was removed. */
  claim(guest: string, record: ProcessRecord): void {
    if (this.#folder.change(guest, (directory) => createRecord(join(directory, fileName(record)), record))) return;
    const { container } = record;
    throw new OperationError(
      `container ${container}: name already in use in guest ${guest}; choose another, or guestctl rm ${container}`,
      { kind: "already-exists" },
    );
  }

  /** Returns the path of a record. */
  file(guest: string, name: ProcessName): string {
    return join(this.#folder.root, guest, fileName(name));
  }

  /** Writes a record, to which its layer then belongs. Throws OperationError if the guest was removed. */
  write(guest: string, record: ProcessRecord): void {
    this.#folder.change(guest, (directory) => writeJson(join(directory, fileName(record)), record));
    if (record.layer !== undefined) belongsToRecord(record.layer);
  }

  /** Changes a record, unless it was removed meanwhile. A new layer belongs to it then. */
  update(guest: string, id: ProcessName, change: Partial<ProcessRecord>): void {
    const directory = this.#folder.find(guest);
    const path = directory === undefined ? undefined : join(directory, fileName(id));
    const record = path === undefined ? undefined : readRecord<ProcessRecord>(path);
    if (path === undefined || record === undefined) return;
    ifThere(() => writeJson(path, { ...record, ...change }));
    if (change.layer !== undefined) belongsToRecord(change.layer);
  }

  /** Records how a process ended; an earlier record of the end wins. */
  end(guest: string, { container, exec }: ProcessName, ended: ProcessEnd): void {
    const record = this.list(guest).find((each) => each.container === container && each.exec === exec);
    if (record?.ended === undefined) this.update(guest, { container, exec }, { ended });
  }

  /** Removes a record, and for a container's first process also its execs, output and layer. True if that emptied the guest. */
  remove(guest: string, { container, exec }: ProcessName): boolean {
    const directory = this.#folder.find(guest);
    if (directory === undefined) return false;
    const all = this.list(guest);
    const removed = all.filter((each) => each.container === container && (exec === container || each.exec === exec));
    for (const record of removed) {
      // The layer first: nothing but the record leads to it.
      if (record.layer !== undefined) rmSync(record.layer, { recursive: true, force: true });
      rmSync(join(directory, fileName(record)), { force: true });
      if (record.output !== undefined)
        for (const file of [record.output, olderOutput(record.output), positionFile(record.output)])
          rmSync(file, { force: true });
    }
    return removed.length > 0 && removed.length === all.length;
  }

  /** Removes the layers of a guest's containers. */
  removeLayers(guest: string): void {
    for (const { layer } of this.list(guest)) if (layer !== undefined) rmSync(layer, { recursive: true, force: true });
  }
}

/** Returns the file that says how far a detached container's output is in its own. */
export function positionFile(output: string): string {
  return `${output}.position`;
}

/** Returns the file of a detached container's output to which its own is renamed when it is full. */
export function olderOutput(output: string): string {
  return `${output}.1`;
}

/** Returns a record's file name. Ids can't contain "@". */
function fileName({ container, exec }: ProcessName): string {
  return exec === container ? `process-${container}.json` : `process-${container}@${exec}.json`;
}
