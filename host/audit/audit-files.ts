import { closeSync, constants, fstatSync, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { namesIn } from "../../lib/names-in.ts";
import { makePrivateFolder } from "../private-folder.ts";

/** Size above which the next line begins a new file. */
const MAX_FILE_BYTES = 8 << 20;
/** Most files that are kept; the oldest is removed. */
export const MAX_FILES = 4;

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
const FILE = /^audit-(\d{6,12})\.jsonl$/;

/** Returns the folder of this user's audit, which outlives a login and a boot. */
export function auditFolder(): string {
  const { XDG_STATE_HOME: state = "" } = process.env;
  return join(isAbsolute(state) ? state : join(homedir(), ".local/state"), "guestd/audit");
}

/** Returns the paths of the files, the oldest first. */
export function auditFiles(folder = auditFolder()): readonly string[] {
  return numbersIn(folder).map((number) => pathOf(folder, number));
}

/**
 * Appends a line by one write, so that those of several processes don't mix. Files are only appended to and have new names,
 * so that no process removes what another has just begun. Throws FolderError or Node's error.
 */
export function appendLine(line: string, folder = auditFolder(), maxBytes = MAX_FILE_BYTES): void {
  const real = makePrivateFolder(folder);
  const numbers = numbersIn(real);
  const last = numbers.at(-1) ?? 1;
  const size = statSync(pathOf(real, last), { throwIfNoEntry: false })?.size ?? 0;
  const number = size < maxBytes ? last : last + 1;
  const fd = openSync(pathOf(real, number), O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
  try {
    const bytes = Buffer.from(isCut(fd) ? `\n${line}` : line);
    if (writeSync(fd, bytes) < bytes.length) throw new Error(`${pathOf(real, number)}: the disk is full`);
  } finally {
    closeSync(fd);
  }
  for (const old of numbers) if (old <= number - MAX_FILES) rmSync(pathOf(real, old), { force: true });
}

/** True if the file ends within a line, as a full disk leaves it. */
function isCut(fd: number): boolean {
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last.toString("latin1") !== "\n";
}

function pathOf(folder: string, number: number): string {
  return join(folder, `audit-${String(number).padStart(6, "0")}.jsonl`);
}

function numbersIn(folder: string): readonly number[] {
  return namesIn(folder)
    .flatMap((name) => FILE.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((a, b) => a - b);
}
