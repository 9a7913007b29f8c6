import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { ifThere } from "../../../lib/if-there.ts";
import { isAlive, isSameProcess, NOBODY, type ProcessOwner, thisProcess } from "../../../lib/process-owner.ts";
import { writeJson } from "../../../lib/write-json.ts";
import { OperationError } from "../../operation-error.ts";
import { belongsToRecord } from "../../recorded-folder.ts";
import { cleanUpEnded, qemuEnd } from "../../vm/guest-processes.ts";
import { BootLog } from "./boot-log.ts";
import { ProcessRecords } from "./process-records.ts";
import { createRecord, readRecord } from "./record-file.ts";
import { StateFolder } from "./state-folder.ts";
import type { GuestRecord, ProcessName } from "./state-records.ts";

/** Exit code of a container whose guest died first, so that its own is unknown. */
export const LOST = 255;

const OWNER_KILLED = "the guestctl that kept it was killed";

/** Number of dead guests that are kept for `logs`. */
const DEAD_KEPT = 10;

const GUEST_FILE = "guest.json";
/** Identifies the guestctl that keeps a guest. */
const OWNER_FILE = "owner.json";
/** Exists while a process takes the place of an owner that has ended. */
const NEXT_OWNER_FILE = "next-owner.json";

/**
 * Records of guests and their processes, shared by this user's guestctl processes. Powering off a guest removes its record; a
 * guest that died or has kept containers stays as ended. Every method may throw FolderError.
 */
export class StateStore {
  readonly #folder: StateFolder;
  readonly processes: ProcessRecords;
  readonly boots: BootLog;

  /** Uses the folder `root` instead of the default one. */
  constructor(root?: string) {
    this.#folder = new StateFolder(root);
    this.processes = new ProcessRecords(this.#folder);
    this.boots = new BootLog(() => this.#folder.file("boots"));
  }

  /** Folder that has a directory for each guest; created if necessary. */
  get root(): string {
    return this.#folder.root;
  }

  /** Returns the running guests, sorted by name. */
  guests(): readonly GuestRecord[] {
    return this.#records().filter(({ ended }) => ended === undefined);
  }

  /** Returns a running guest; undefined if it has ended, or never was. */
  guest(name: string): GuestRecord | undefined {
    // Only a name that is there leads to a folder.
    const [record] = this.#records(this.#folder.guests().filter((each) => each === name));
    return record?.ended === undefined ? record : undefined;
  }

  /** Returns the kept guests that ended, sorted by name. */
  endedGuests(): readonly GuestRecord[] {
    return this.#records().filter(({ ended }) => ended !== undefined);
  }

  /** Returns the running guests whose owner was killed. */
  unkept(): readonly GuestRecord[] {
    return this.guests().filter(({ name }) => {
      const owner = this.owner(name);
      return owner !== undefined && !isAlive(owner);
    });
  }

  /** Returns the process that keeps a guest or is about to. */
  owner(guest: string): ProcessOwner | undefined {
    return this.#read<ProcessOwner>(guest, OWNER_FILE);
  }

  /** Claims a guest's name for this process. Throws OperationError if the name is in use. */
  claim(guest: string): void {
    this.checkFree(guest);
    const isClaimed = this.#folder.create(guest, (directory) => writeJson(join(directory, OWNER_FILE), thisProcess()));
    if (!isClaimed) throw nameInUse(guest);
  }

  /** Takes the place of a guest's owner that has ended. Throws OperationError if it runs, or another process was faster. */
  reclaim(guest: string): void {
    const owner = this.owner(guest);
    if (isSameProcess(owner, thisProcess())) return;
    if (owner !== undefined && isAlive(owner)) throw nameInUse(guest);
    this.#folder.change(guest, (directory) => {
      const next = join(directory, NEXT_OWNER_FILE);
      const other = readRecord<ProcessOwner>(next);
      if (other !== undefined && !isAlive(other)) rmSync(next, { force: true });
      if (!createRecord(next, thisProcess())) throw nameInUse(guest);
      try {
        // Another process may have become the owner since.
        if (!isSameProcess(this.owner(guest), owner)) throw nameInUse(guest);
        writeJson(join(directory, OWNER_FILE), thisProcess());
      } finally {
        rmSync(next, { force: true });
      }
    });
  }

  /** Notes that this process does nothing more for a container, nor for the guest of its name: another one may take its place. */
  leave(guest: string, container: string): void {
    const record = this.processes.list(guest).find(({ exec }) => exec === container);
    if (isSameProcess(record?.keeper, thisProcess())) {
      this.processes.update(guest, { container, exec: container }, { keeper: NOBODY });
    }
    const isOwner = container === guest && isSameProcess(this.owner(guest), thisProcess());
    if (isOwner) ifThere(() => writeJson(join(this.directory(guest), OWNER_FILE), NOBODY));
  }

  /** Throws OperationError if a guest's name is in use. Releases the name of a guest that died. */
  checkFree(guest: string): void {
    const isThere = this.#folder.guests().includes(guest);
    const owner = this.owner(guest);
    if (owner === undefined) {
      if (isThere) this.#folder.remove(guest); // the rest of a removal by an older version, which was killed
      return;
    }
    const record = this.#record(guest);
    if (record?.ended === undefined && (isAlive(owner) || isUp(record))) throw nameInUse(guest);
    if (record?.ended === undefined) this.#closeUnkept(guest, record);
    const kept = this.processes.list(guest).map(({ container }) => container);
    if (kept.length > 0) {
      throw new OperationError(
        `guest ${guest}: name still used by ended containers; guestctl rm ${kept.join(" ")}, or choose another`,
        { kind: "already-exists" },
      );
    }
    this.removeGuest(guest);
  }

  /** Returns the directory of a guest's record, console and outputs. It exists while the guest's name is claimed. */
  directory(guest: string): string {
    return join(this.root, guest);
  }

  /** Throws OperationError if the guest's directory was removed. */
  writeGuest(record: GuestRecord): void {
    this.#folder.change(record.name, (directory) => writeJson(join(directory, GUEST_FILE), record));
  }

  /** Records that a guest is being powered off, so that commands that lose their connection know the cause. */
  noteEnding(guest: string): void {
    this.#update(guest, { ending: true });
  }

  /** Records that a guest keeps running when its owner is killed. */
  noteReleased(guest: string, facts: Pick<GuestRecord, "monitor" | "isOwn">): void {
    this.#update(guest, facts);
  }

  /** Sets after how many milliseconds without use a guest is saved; 0: never. */
  noteIdleLimit(guest: string, idleMs: number): void {
    this.#update(guest, { idleMs });
  }

  /** Sets when a guest is powered off. */
  noteTimeLimit(guest: string, endsAt: string | undefined): void {
    this.#update(guest, { endsAt });
  }

  /** Records whether a guest is paused. */
  notePaused(guest: string, isPaused: boolean): void {
    this.#update(guest, { isPaused: isPaused || undefined });
  }

  /** Records a guest's memory. */
  noteMemory(guest: string, { memoryMib }: Pick<GuestRecord, "memoryMib">): void {
    this.#update(guest, { memoryMib });
  }

  /** Notes where a guest is saved, or how it continues. */
  noteSaved(guest: string, facts: Partial<GuestRecord> & Pick<GuestRecord, "saved">): void {
    const before = this.#record(guest)?.saved;
    this.#update(guest, facts);
    if (facts.saved !== undefined) belongsToRecord(facts.saved);
    if (before !== undefined && before !== facts.saved) rmSync(before, { recursive: true, force: true });
  }

  /** Returns the path of a guest's record. */
  file(guest: string): string {
    return join(this.directory(guest), GUEST_FILE);
  }

  /** Closes a guest that has ended. Keeps its record if it died (`why`) or has a kept container, otherwise removes it. */
  closeGuest(guest: string, why?: string): void {
    if (this.#folder.find(guest) === undefined) return;
    if (this.#record(guest)?.saved !== undefined) this.noteSaved(guest, { saved: undefined, isSaved: undefined });
    const record = this.#record(guest);
    const end = { at: new Date().toISOString(), why };
    for (const process of this.processes.list(guest)) {
      if (process.kept === undefined || process.starting) this.removeProcess(guest, process);
      else this.processes.end(guest, process, { code: LOST, ...end });
    }
    const kept = this.processes.list(guest).length > 0;
    if (record === undefined || (why === undefined && !kept)) this.removeGuest(guest);
    else ifThere(() => writeJson(this.file(guest), { ...record, ended: record.ended ?? end }));
    if (why !== undefined) this.#removeOldest();
  }

  removeGuest(guest: string): void {
    this.processes.removeLayers(guest);
    const saved = this.#record(guest)?.saved;
    if (saved !== undefined) rmSync(saved, { recursive: true, force: true });
    this.#folder.remove(guest);
  }

  /**
   * Removes a process's record. A container's first process takes its execs and output with it, the last process of an ended
   * guest takes the guest's record with it.
   */
  removeProcess(guest: string, name: ProcessName): void {
    const emptied = this.processes.remove(guest, name);
    const { ended } = this.#record(guest) ?? {};
    // The record of a dead guest is kept for `logs`, unless the guest was the removed container's own.
    const removable = ended?.why === undefined || name.container === guest;
    if (emptied && ended !== undefined && removable) this.removeGuest(guest);
  }

  /** Reads guests' records; a guest that has ended, and whose owner was killed, is closed first. */
  #records(names = this.#folder.guests()): readonly GuestRecord[] {
    return names.flatMap((name) => {
      const owner = this.owner(name);
      if (owner === undefined) return [];
      const record = this.#record(name);
      if (record?.ended === undefined && !isAlive(owner) && !isUp(record)) this.#closeUnkept(name, record);
      return this.#record(name) ?? [];
    });
  }

  /** Closes a guest that ended while no process kept it. Cleans up last: another process may close it at the same time. */
  #closeUnkept(guest: string, record: GuestRecord | undefined): void {
    const directory = record?.control && dirname(record.control);
    const end = directory && qemuEnd(directory);
    const why = end ? `guest: ${end}, while no guestctl kept it` : OWNER_KILLED;
    this.closeGuest(guest, record?.ending ? undefined : why);
    if (directory) cleanUpEnded(directory);
  }

  #update(guest: string, change: Partial<GuestRecord>): void {
    const record = this.#record(guest);
    if (record !== undefined && record.ended === undefined)
      ifThere(() => writeJson(this.file(guest), { ...record, ...change }));
  }

  /** Returns undefined until the guest is up. */
  #record(guest: string): GuestRecord | undefined {
    return this.#read<GuestRecord>(guest, GUEST_FILE);
  }

  #read<T>(guest: string, file: string): T | undefined {
    const directory = this.#folder.find(guest);
    return directory === undefined ? undefined : readRecord<T>(join(directory, file));
  }

  /** Removes the oldest dead guests that have no containers left. */
  #removeOldest(): void {
    const ended = this.#folder
      .guests()
      .flatMap((name) => this.#record(name) ?? [])
      .filter((record) => record.ended !== undefined && this.processes.list(record.name).length === 0)
      .sort((a, b) => (b.ended?.at ?? "").localeCompare(a.ended?.at ?? ""));
    for (const { name } of ended.slice(DEAD_KEPT)) this.removeGuest(name);
  }
}

/** True for a guest that was released and runs, or is saved. */
function isUp(record: GuestRecord | undefined): boolean {
  if (record?.isSaved) return true;
  return record?.monitor !== undefined && isAlive(record.monitor);
}

function nameInUse(guest: string): OperationError {
  return new OperationError(`guest ${guest}: name already in use; choose another`, { kind: "already-exists" });
}
