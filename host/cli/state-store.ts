import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isAlive, type ProcessOwner, thisProcess } from "../../image/process-owner.ts";
import { FolderError } from "../../image/safe-place.ts";
import { checkPrivateFolder, makePrivateFolder } from "../private-folder.ts";
import { CliError } from "./cli-error.ts";
import { createRecord, readRecord, writeRecord } from "./record-file.ts";
import type { GuestRecord, ProcessEnd, ProcessName, ProcessRecord } from "./state-records.ts";

/** Exit code of a container whose guest died first, so that its own is unknown. */
export const LOST = 255;

const OWNER_KILLED = "the guestctl that kept it was killed";

/** Number of dead guests that are kept for `logs`. */
const DEAD_KEPT = 10;

const GUEST_FILE = "guest.json";
/** Identifies the guestctl that keeps a guest; the guest ends with it. */
const OWNER_FILE = "owner.json";
const PROCESS_FILE = /^process-.+\.json$/;

/**
 * Records shared by this user's guestctl processes: a directory per guest, with a file for the guest and one per
 * process. Powering off a guest removes its record; a guest that died or has kept containers stays as ended. Each use,
 * even to read, checks that the folder belongs to this user alone, so every method may throw FolderError.
 */
export class StateStore {
  readonly #root: string;

  constructor(root = defaultRoot()) {
    this.#root = root;
  }

  /** Returns the running guests, sorted by name. */
  guests(): readonly GuestRecord[] {
    return this.#records().filter(({ ended }) => ended === undefined);
  }

  /** Returns the kept guests that ended, sorted by name. */
  endedGuests(): readonly GuestRecord[] {
    return this.#records().filter(({ ended }) => ended !== undefined);
  }

  /** Returns the process that keeps a guest or is about to. */
  owner(guest: string): ProcessOwner | undefined {
    const directory = this.#existing(guest);
    return directory === undefined ? undefined : readRecord<ProcessOwner>(join(directory, OWNER_FILE));
  }

  /** Claims a guest's name for this process. Throws CliError if the name is in use. */
  claim(guest: string): void {
    this.checkFree(guest);
    const path = join(this.directory(guest), OWNER_FILE);
    if (!createRecord(path, thisProcess())) throw new CliError(`guest ${guest}: name already in use; choose another`);
  }

  /** Throws CliError if a guest's name is in use. Releases the name of a guest that died. */
  checkFree(guest: string): void {
    const owner = this.owner(guest);
    if (owner === undefined) return;
    const record = this.#record(guest);
    if (record?.ended === undefined && isAlive(owner)) {
      throw new CliError(`guest ${guest}: name already in use; choose another`);
    }
    if (record?.ended === undefined) this.closeGuest(guest, OWNER_KILLED);
    const kept = this.processes(guest).map(({ container }) => container);
    if (kept.length > 0) {
      throw new CliError(
        `guest ${guest}: name still used by ended containers; guestctl rm ${kept.join(" ")}, or choose another`,
      );
    }
    this.removeGuest(guest);
  }

  /** Returns the directory for a guest's record, console and outputs; creates it if necessary. */
  directory(guest: string): string {
    const path = join(this.#checked(makePrivateFolder), guest);
    mkdirSync(path, { mode: 0o700, recursive: true });
    return path;
  }

  writeGuest(record: GuestRecord): void {
    writeRecord(join(this.directory(record.name), GUEST_FILE), record);
  }

  /** Records that a guest is being powered off, so that commands that lose their connection know the cause. */
  noteEnding(guest: string): void {
    const record = this.#record(guest);
    if (record !== undefined && record.ended === undefined) this.writeGuest({ ...record, ending: true });
  }

  /**
   * Closes a guest that has ended. Keeps its record if it died (`why`) or has a kept container, otherwise removes it.
   */
  closeGuest(guest: string, why?: string): void {
    const directory = this.#existing(guest);
    if (directory === undefined) return;
    const record = readRecord<GuestRecord>(join(directory, GUEST_FILE));
    const at = new Date().toISOString();
    for (const process of this.processes(guest)) {
      if (process.kept === undefined) this.removeProcess(guest, process);
      else this.endProcess(guest, process, { code: LOST, at, ...(why === undefined ? {} : { why }) });
    }
    const kept = this.processes(guest).length > 0;
    if (record === undefined || (why === undefined && !kept)) this.removeGuest(guest);
    else this.writeGuest({ ...record, ended: record.ended ?? { at, ...(why === undefined ? {} : { why }) } });
    if (why !== undefined) this.#forgetOldest();
  }

  removeGuest(name: string): void {
    const directory = this.#existing(name);
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }

  /** Returns the first processes and execs of a guest, oldest first. */
  processes(guest: string): readonly ProcessRecord[] {
    const directory = this.#existing(guest);
    if (directory === undefined) return [];
    const files = names(directory).filter((name) => PROCESS_FILE.test(name));
    const records = files.flatMap((name) => readRecord<ProcessRecord>(join(directory, name)) ?? []);
    return records
      .filter((record) => !this.#isAbandoned(guest, record))
      .sort((a, b) => a.startedAt.localeCompare(b.startedAt));
  }

  /** Claims a container's name in a guest. Throws CliError if the name is in use. */
  claimProcess(guest: string, record: ProcessRecord): void {
    this.processes(guest);
    if (createRecord(join(this.directory(guest), processFile(record)), record)) return;
    const { container } = record;
    throw new CliError(
      `container ${container}: name already in use in guest ${guest}; choose another, or guestctl rm ${container}`,
    );
  }

  writeProcess(guest: string, record: ProcessRecord): void {
    writeRecord(join(this.directory(guest), processFile(record)), record);
  }

  /** Changes the record of a process, unless it was removed meanwhile. */
  updateProcess(guest: string, id: ProcessName, change: Partial<ProcessRecord>): void {
    const directory = this.#existing(guest);
    const path = directory === undefined ? undefined : join(directory, processFile(id));
    const record = path === undefined ? undefined : readRecord<ProcessRecord>(path);
    if (path !== undefined && record !== undefined) writeRecord(path, { ...record, ...change });
  }

  /** Records how a process ended; an earlier record wins. */
  endProcess(guest: string, { container, exec }: ProcessName, ended: ProcessEnd): void {
    const record = this.processes(guest).find((each) => each.container === container && each.exec === exec);
    if (record?.ended === undefined) this.updateProcess(guest, { container, exec }, { ended });
  }

  /**
   * Removes a process's record. A container's first process takes its execs and output with it, the last process of an
   * ended guest takes the guest's record with it.
   */
  removeProcess(guest: string, { container, exec }: ProcessName): void {
    const directory = this.#existing(guest);
    if (directory === undefined) return;
    const all = this.processes(guest);
    const removed = all.filter((each) => each.container === container && (exec === container || each.exec === exec));
    for (const record of removed) {
      rmSync(join(directory, processFile(record)), { force: true });
      if (record.output !== undefined) rmSync(record.output, { force: true });
    }
    const record = this.#record(guest);
    const emptied = removed.length > 0 && removed.length === all.length;
    const own = record?.ended?.why === undefined || container === guest;
    if (emptied && record?.ended !== undefined && own) this.removeGuest(guest);
  }

  /** Reads all guest records; a guest whose owner was killed is closed first. */
  #records(): readonly GuestRecord[] {
    const root = this.#checked(checkPrivateFolder);
    if (root === undefined) return [];
    return names(root).flatMap((name) => {
      const owner = this.owner(name);
      if (owner === undefined) return [];
      const record = this.#record(name);
      if (record?.ended === undefined && !isAlive(owner)) this.closeGuest(name, OWNER_KILLED);
      return this.#record(name) ?? [];
    });
  }

  /** Returns undefined until the guest is up. */
  #record(guest: string): GuestRecord | undefined {
    const directory = this.#existing(guest);
    return directory === undefined ? undefined : readRecord<GuestRecord>(join(directory, GUEST_FILE));
  }

  /** Removes the oldest dead guests that have no containers left. */
  #forgetOldest(): void {
    const root = this.#checked(checkPrivateFolder);
    const ended = (root === undefined ? [] : names(root))
      .flatMap((name) => this.#record(name) ?? [])
      .filter((record) => record.ended !== undefined && this.processes(record.name).length === 0)
      .sort((a, b) => (b.ended?.at ?? "").localeCompare(a.ended?.at ?? ""));
    for (const { name } of ended.slice(DEAD_KEPT)) this.removeGuest(name);
  }

  /** Detects and removes a claim whose process was killed before the container existed. */
  #isAbandoned(guest: string, record: ProcessRecord): boolean {
    if (record.starting === undefined || record.keeper === undefined || isAlive(record.keeper)) return false;
    const directory = this.#existing(guest);
    if (directory !== undefined) rmSync(join(directory, processFile(record)), { force: true });
    return true;
  }

  /** Returns the path of a guest's directory, if the store exists. */
  #existing(guest: string): string | undefined {
    const root = this.#checked(checkPrivateFolder);
    return root === undefined ? undefined : join(root, guest);
  }

  /**
   * In /tmp only its owner and root can remove another user's folder, so the error also suggests a different folder.
   */
  #checked<T>(check: (path: string) => T): T {
    try {
      return check(this.#root);
    } catch (error) {
      if (!(error instanceof FolderError)) throw error;
      throw new FolderError(`${error.message}, or set XDG_RUNTIME_DIR to a folder of yours`, { cause: error });
    }
  }
}

/** Returns the record's file name. Ids can't contain "@". */
function processFile({ container, exec }: ProcessName): string {
  return exec === container ? `process-${container}.json` : `process-${container}@${exec}.json`;
}

function defaultRoot(): string {
  return join(process.env["XDG_RUNTIME_DIR"] || "/tmp", `guestd-${process.geteuid?.() ?? 0}`);
}

function names(directory: string): readonly string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}
