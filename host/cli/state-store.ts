import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FolderError } from "../../image/safe-place.ts";
import { checkPrivateFolder, makePrivateFolder } from "../private-folder.ts";
import type { BootTimeline } from "../sandbox/boot-timeline.ts";
import { CliError } from "./cli-error.ts";
import { isAlive, type ProcessOwner, thisProcess } from "./process-owner.ts";

/** A guest that a guestctl of this user keeps. */
export interface GuestRecord {
  readonly name: string;
  readonly address: string;
  readonly logAddress: string;
  /** On the host, the folder with the one that it shares. */
  readonly folder: string;
  readonly accelerator: string;
  readonly memoryMib: number;
  readonly cpus: number;
  readonly timeline: BootTimeline;
  /** ISO 8601. */
  readonly bootedAt: string;
}

/** A container's first process, or an exec: what the agent cannot be asked for. */
export interface ProcessRecord {
  readonly container: string;
  /** The container's id for its first process. */
  readonly exec: string;
  readonly args: readonly string[];
  readonly image: string;
  readonly terminal: boolean;
  readonly startedAt: string;
  /** On the host. */
  readonly rootfs: string;
  /** What an exec takes over. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
}

const GUEST_FILE = "guest.json";
/** The guestctl that keeps a guest: the guest ends with it. */
const OWNER_FILE = "owner.json";
const PROCESS_FILE = /^process-.+\.json$/;

/**
 * What this user's guestctl processes tell each other: a directory per guest, with a file for the guest and one per
 * process. A guest whose owner is gone is taken away when it is next seen. That the folder is this user's alone is checked
 * whenever it is used, be it to read: every method may throw FolderError.
 */
export class StateStore {
  readonly #root: string;

  constructor(root = defaultRoot()) {
    this.#root = root;
  }

  /** The guests that run, by name. */
  guests(): readonly GuestRecord[] {
    const root = this.#checked(checkPrivateFolder);
    if (root === undefined) return [];
    return names(root).flatMap((name) => {
      const owner = this.owner(name);
      if (owner !== undefined && !isAlive(owner)) this.removeGuest(name);
      else if (owner !== undefined) return read<GuestRecord>(join(root, name, GUEST_FILE)) ?? [];
      return [];
    });
  }

  /** The process that keeps a guest, or is about to. */
  owner(guest: string): ProcessOwner | undefined {
    const directory = this.#existing(guest);
    return directory === undefined ? undefined : read<ProcessOwner>(join(directory, OWNER_FILE));
  }

  /** Makes a guest's name this process's. Throws CliError when another one has it. */
  claim(guest: string): void {
    const owner = this.owner(guest);
    if (owner !== undefined && !isAlive(owner)) this.removeGuest(guest);
    const path = join(this.directory(guest), OWNER_FILE);
    try {
      writeFileSync(path, `${JSON.stringify(thisProcess())}\n`, { mode: 0o600, flag: "wx" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw new CliError(`guest ${guest}: there is one of that name: choose another`, { cause: error });
    }
  }

  /** The directory of a guest, made if need be: for its record, its console and its outputs. */
  directory(guest: string): string {
    const path = join(this.#checked(makePrivateFolder), guest);
    mkdirSync(path, { mode: 0o700, recursive: true });
    return path;
  }

  writeGuest(record: GuestRecord): void {
    write(join(this.directory(record.name), GUEST_FILE), record);
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
    const records = files.flatMap((name) => read<ProcessRecord>(join(directory, name)) ?? []);
    return records.sort((a, b) => a.startedAt.localeCompare(b.startedAt));
  }

  writeProcess(guest: string, record: ProcessRecord): void {
    write(join(this.directory(guest), processFile(record)), record);
  }

  /** With a container's first process its execs go as well. */
  removeProcess(guest: string, { container, exec }: Pick<ProcessRecord, "container" | "exec">): void {
    const directory = this.#existing(guest);
    if (directory === undefined) return;
    for (const record of this.processes(guest)) {
      const meant = record.container === container && (exec === container || record.exec === exec);
      if (meant) rmSync(join(directory, processFile(record)), { force: true });
    }
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
function processFile({ container, exec }: Pick<ProcessRecord, "container" | "exec">): string {
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

/** Undefined when it is not there, or being removed. */
function read<T>(path: string): T | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new CliError(`${path}: it is damaged: remove it`, { cause: error });
  }
}

/** Whole or not at all. */
function write(path: string, record: object): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}
