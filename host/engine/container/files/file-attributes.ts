import { yieldToEventLoop } from "../../../../lib/yield-to-event-loop.ts";
import { ToolError } from "./tool-error.ts";

/** Attributes of a file as in SFTP 3: whole mode, times in seconds from 1970 until 2106. */
export interface FileAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  readonly atime: number;
  readonly mtime: number;
}

/** Most names of a directory, and the longest name of any file system of Linux, in bytes. */
const MAX_NAMES = 16_384;
const MAX_NAME = 255;

/** Format of stat(1): mode, owner, group, size, times of access and change. */
export const STAT_FORMAT = "%f %u %g %s %X %Y";
const STAT_LINE = /^([0-9a-f]{1,8}) (\d{1,10}) (\d{1,10}) (\d{1,16}) (-?\d{1,12}) (-?\d{1,12})/;

/** A name in a directory. */
export interface DirectoryEntry {
  readonly filename: string;
  readonly longname: string;
  readonly attrs: FileAttributes;
}

/** Parses the beginning of a line of stat(1); undefined if it is none. */
export function parseAttributes(line: string): FileAttributes | undefined {
  const [all, mode = "", ...numbers] = STAT_LINE.exec(line) ?? [];
  if (all === undefined) return undefined;
  const [uid = 0, gid = 0, size = 0, atime = 0, mtime = 0] = numbers.map(Number);
  return { mode: Number.parseInt(mode, 16), uid, gid, size, atime: unsigned(atime), mtime: unsigned(mtime) };
}

/** Limits a time to SFTP's range, until 2106. */
const unsigned = (seconds: number) => Math.min(Math.max(seconds, 0), 0xffffffff);

/**
 * Parses the lines of stat(1) for "./name"; a name with line feeds has several. Drops names that lead elsewhere. Throws
 * ToolError for names or a number of names that no directory has, or that are too many to list.
 */
export async function parseDirectory(text: string): Promise<DirectoryEntry[]> {
  const yieldNow = yieldToEventLoop();
  const entries: { filename: string; attrs: FileAttributes }[] = [];
  for (const line of linesOf(text)) {
    const pause = yieldNow();
    if (pause !== undefined) await pause;
    const attrs = parseAttributes(line);
    const [, filename] = / \.\/(.*)$/s.exec(line) ?? [];
    const last = entries.at(-1);
    if (attrs !== undefined && filename !== undefined) entries.push({ filename, attrs });
    else if (last !== undefined) last.filename += `\n${line}`;
    if (entries.length > MAX_NAMES) throw new ToolError(`the directory has over ${MAX_NAMES} names`);
    if ((entries.at(-1)?.filename.length ?? 0) > MAX_NAME)
      throw new ToolError(`the container's stat prints a name of over ${MAX_NAME} bytes`);
  }
  const names = entries.filter(({ filename }) => filename !== "" && !filename.includes("/"));
  return names.map(({ filename, attrs }) => ({ filename, longname: longName(filename, attrs), attrs }));
}

function* linesOf(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start);
    yield text.slice(start, end < 0 ? undefined : end);
    start = end < 0 ? text.length : end + 1;
  }
}

const TYPES: Readonly<Record<number, string>> = { 1: "p", 2: "c", 4: "d", 6: "b", 8: "-", 10: "l", 12: "s" };

/** Returns a line as of `ls -l`. */
function longName(name: string, { mode, uid, gid, size, mtime }: FileAttributes): string {
  const bits = "rwxrwxrwx".replace(/./g, (letter, at: number) => ((mode >> (8 - at)) & 1 ? letter : "-"));
  const date = new Date(mtime * 1000).toISOString().slice(0, 16).replace("T", " ");
  return `${TYPES[mode >> 12] ?? "?"}${bits} ? ${uid} ${gid} ${size} ${date} ${name}`;
}

/** Returns the arguments of the script that sets attributes; an empty one changes nothing. */
export function settingsOf({ size, uid, gid, mode, atime, mtime }: Partial<FileAttributes>): readonly string[] {
  return [
    size === undefined ? "" : String(size),
    uid === undefined || gid === undefined ? "" : `${uid}:${gid}`,
    mode === undefined ? "" : octal(mode & 0o7777),
    atime === undefined ? "" : stamp(atime),
    mtime === undefined ? "" : stamp(mtime),
  ];
}

export const octal = (mode: number) => mode.toString(8);

/** Returns a time as touch -t takes it: 202611272355.01. */
function stamp(seconds: number): string {
  const [date, , clock] = new Date(seconds * 1000)
    .toISOString()
    .replaceAll(/[-:]/g, "")
    .split(/(T)|\./);
  return `${date}${clock?.slice(0, 4)}.${clock?.slice(4)}`;
}
