import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isAlive, type ProcessOwner, thisProcess } from "../../lib/process-owner.ts";
import { FolderError } from "../../lib/safe-place.ts";
import { checkPrivateFolder, makePrivateFolder } from "../private-folder.ts";
import { CliError } from "./cli-error.ts";
import { createRecord, readRecord, writeRecord } from "./record-file.ts";
import type { GuestRecord, ProcessEnd, ProcessName, ProcessRecord } from "./state-records.ts";

/** Exit code of a container whose guest ended under it: its own is unknown. */
export const LOST = 255;

const OWNER_KILLED = "the guestctl that kept it was killed";

/** How many guests that died are kept for `logs`. */
const DEAD_KEPT = 10;

const GUEST_FILE = "guest.json";
/** The guestctl that keeps a guest: the guest ends with it. */
const OWNER_FILE = "owner.json";
const PROCESS_FILE = /^process-.+\.json$/;

/**
 * Notes that this user's guestctl processes share: a directory per guest, with a file for the guest and one per process.
 * A guest is removed when it is powered off; one that died, or that has a container which is kept, stays as ended. The folder
 * is checked to be this user's alone whenever it is used, even to read: every method may throw FolderError.
 */
export class StateStore {
  readonly #root: string;

  constructor(root = defaultRoot()) {
    this.#root = root;
  }

  /** Running guests, by name. */
  guests(): readonly GuestRecord[] {
    return this.#records().filter(({ ended }) => ended === undefined);
  }

  /** Guests that ended and are kept, by name. */
  endedGuests(): readonly GuestRecord[] {
    return this.#records().filter(({ ended }) => ended !== undefined);
  }

  /** Returns the process that keeps a guest, or is about to. */
  owner(guest: string): ProcessOwner | undefined {
    const directory = this.#existing(guest);
    return directory === undefined ? undefined : readRecord<ProcessOwner>(join(directory, OWNER_FILE));
  }

  /** Makes a guest's name this process's. Throws CliError when it is taken. */
  claim(guest: string): void {
    this.checkFree(guest);
    const path = join(this.directory(guest), OWNER_FILE);
    if (!createRecord(path, thisProcess())) throw new CliError(`guest ${guest}: that name is taken: choose another`);
  }

  /** Throws CliError when a guest's name is taken. One that died gives its name up. */
  checkFree(guest: string): void {
    const owner = this.owner(guest);
    if (owner === undefined) return;
    const record = this.#record(guest);
    if (record?.ended === undefined && isAlive(owner)) {
      throw new CliError(`guest ${guest}: that name is taken: choose another`);
    }
    if (record?.ended === undefined) this.closeGuest(guest, OWNER_KILLED);
    const kept = this.processes(guest).map(({ container }) => container);
    if (kept.length > 0) {
      throw new CliError(
        `guest ${guest}: that name is taken by what ended: guestctl rm ${kept.join(" ")}, or choose another`,
      );
    }
    this.removeGuest(guest);
  }

  /** Returns the directory of a guest, created if need be: for its record, its console and its outputs. */
  directory(guest: string): string {
    const path = join(this.#checked(makePrivateFolder), guest);
    mkdirSync(path, { mode: 0o700, recursive: true });
    return path;
  }

  writeGuest(record: GuestRecord): void {
    writeRecord(join(this.directory(record.name), GUEST_FILE), record);
  }

  /** Notes that a guest is being powered off: those who lose their connection then know why. */
  noteEnding(guest: string): void {
    const record = this.#record(guest);
    if (record !== undefined && record.ended === undefined) this.writeGuest({ ...record, ending: true });
  }

  /** The guest has ended: keeps its notes when it died, as `why` says, or has a container that is kept; else removes them. */
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

  /** First processes and execs of a guest, oldest first. */
  processes(guest: string): readonly ProcessRecord[] {
    const directory = this.#existing(guest);
    if (directory === undefined) return [];
    const files = names(directory).filter((name) => PROCESS_FILE.test(name));
    const records = files.flatMap((name) => readRecord<ProcessRecord>(join(directory, name)) ?? []);
    return records
      .filter((record) => !this.#isAbandoned(guest, record))
      .sort((a, b) => a.startedAt.localeCompare(b.startedAt));
  }

  /** Takes a container's name in a guest. Throws CliError when it is taken. */
  claimProcess(guest: string, record: ProcessRecord): void {
    this.processes(guest);
    if (createRecord(join(this.directory(guest), processFile(record)), record)) return;
    const { container } = record;
    throw new CliError(
      `container ${container}: that name is taken in guest ${guest}: choose another, or guestctl rm ${container}`,
    );
  }

  writeProcess(guest: string, record: ProcessRecord): void {
    writeRecord(join(this.directory(guest), processFile(record)), record);
  }

  /** Changes the notes on a process, unless they were removed meanwhile. */
  updateProcess(guest: string, id: ProcessName, change: Partial<ProcessRecord>): void {
    const directory = this.#existing(guest);
    const path = directory === undefined ? undefined : join(directory, processFile(id));
    const record = path === undefined ? undefined : readRecord<ProcessRecord>(path);
    if (path !== undefined && record !== undefined) writeRecord(path, { ...record, ...change });
  }

  /** Notes how a process ended; the first note counts. */
  endProcess(guest: string, { container, exec }: ProcessName, ended: ProcessEnd): void {
    const record = this.processes(guest).find((each) => each.container === container && each.exec === exec);
    if (record?.ended === undefined) this.updateProcess(guest, { container, exec }, { ended });
  }

  /** With a container's first process go its execs and its output, and with the last one of a guest that ended that guest. */
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

  /** A guest whose owner was killed has ended with it. */
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

  /** Undefined where the guest isn't up yet. */
  #record(guest: string): GuestRecord | undefined {
    const directory = this.#existing(guest);
    return directory === undefined ? undefined : readRecord<GuestRecord>(join(directory, GUEST_FILE));
  }

  /** Of the guests that died and have no container left only the last ones stay. */
  #forgetOldest(): void {
    const root = this.#checked(checkPrivateFolder);
    const ended = (root === undefined ? [] : names(root))
      .flatMap((name) => this.#record(name) ?? [])
      .filter((record) => record.ended !== undefined && this.processes(record.name).length === 0)
      .sort((a, b) => (b.ended?.at ?? "").localeCompare(a.ended?.at ?? ""));
    for (const { name } of ended.slice(DEAD_KEPT)) this.removeGuest(name);
  }

  /** A claim whose process was killed before the container was there; it is removed. */
  #isAbandoned(guest: string, record: ProcessRecord): boolean {
    if (record.starting === undefined || record.keeper === undefined || isAlive(record.keeper)) return false;
    const directory = this.#existing(guest);
    if (directory !== undefined) rmSync(join(directory, processFile(record)), { force: true });
    return true;
  }

  /** Where a guest's directory is if it is there. */
  #existing(guest: string): string | undefined {
    const root = this.#checked(checkPrivateFolder);
    return root === undefined ? undefined : join(root, guest);
  }

  /** Nobody but its owner and root can remove a folder of another user from /tmp, so the error names another way. */
  #checked<T>(check: (path: string) => T): T {
    try {
      return check(this.#root);
    } catch (error) {
      if (!(error instanceof FolderError)) throw error;
      throw new FolderError(`${error.message}, or set XDG_RUNTIME_DIR to a folder of yours`, { cause: error });
    }
  }
}

/** A file name cannot hold "@" by the rules for ids. */
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
