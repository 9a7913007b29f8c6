import { type Header, pack } from "tar-stream";
import { bytesOf, type Member } from "./member.ts";
import { paxRecord } from "./pax-records.ts";

const BLOCK = 512;
/** Known to tar-stream, but not to its types. */
const PAX = "pax-header" as "file";
const NANOS = 1_000_000_000n;
/** Most bytes of a name in a header without pax records. */
const SHORT = 100;

/** The end of an archive. */
export const END_MARK = Buffer.alloc(2 * BLOCK);

/** Private method of tar-stream's packer; its version is pinned for those of its parser (tar-entries.ts). */
interface Encoder {
  _encode(header: Partial<Header>): void;
  push(block: Buffer): boolean;
}

/** Returns a member's headers, and the map of a file with holes. Its parts follow, then `paddingOf` of their length. */
export function encodeMember(member: Member): Buffer {
  const { name, type, mode, target } = member;
  const map = isSparse(member) ? sparseMap(member) : undefined;
  const records = recordsOf(member, map !== undefined);
  const common = {
    mode,
    uid: Math.min(member.uid, 0o777777),
    gid: Math.min(member.gid, 0o777777),
    mtime: dateOf(member),
  };
  const size = contentLength(member) + (map?.length ?? 0);
  const header = {
    ...{ ...common, type, size, name: isShort(name) ? name : "long-name" },
    ...(target !== "" && { linkname: isShort(target) ? target : "long-target" }),
  };
  const length = records.length;
  return Buffer.concat([
    ...encoded({ ...common, type: PAX, name: "PaxHeader", size: length, mode: 0o644 }),
    records,
    paddingOf(length),
    ...encoded(header),
    ...(map === undefined ? [] : [map]),
  ]);
}

/** Length of a member's parts. */
export function contentLength({ parts }: Member): number {
  return parts.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** Returns the zeros that fill the last block of `length` bytes. */
export function paddingOf(length: number): Buffer {
  return Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);
}

/** True unless the parts are the whole rest of the file. */
function isSparse({ type, from, size, parts }: Member): boolean {
  if (type !== "file") return false;
  const [only = { start: size, end: size }, more] = parts;
  return more !== undefined || only.start > from || only.end < size;
}

/** Returns GNU tar's map of version 1.0: numbers in lines, padded to whole blocks. */
function sparseMap({ parts, size }: Member): Buffer {
  const last = parts.at(-1)?.end ?? 0;
  const all = last < size ? [...parts, { start: size, end: size }] : parts;
  const numbers = [all.length, ...all.flatMap(({ start, end }) => [start, end - start])];
  const text = Buffer.from(numbers.map((number) => `${number}\n`).join(""));
  return Buffer.concat([text, paddingOf(text.length)]);
}

function recordsOf(member: Member, sparse: boolean): Buffer {
  const { name, target, uid, gid, mtime, atime, xattrs, from, version, size } = member;
  const text = (value: string | number) => Buffer.from(String(value));
  const records = [paxRecord("mtime", text(secondsOf(mtime))), paxRecord("atime", text(secondsOf(atime)))];
  if (!isShort(name) && !sparse) records.push(paxRecord("path", bytesOf(name)));
  if (target !== "" && !isShort(target)) records.push(paxRecord("linkpath", bytesOf(target)));
  if (uid > 0o777777) records.push(paxRecord("uid", text(uid)));
  if (gid > 0o777777) records.push(paxRecord("gid", text(gid)));
  for (const [key, value] of xattrs) records.push(paxRecord(`SCHILY.xattr.${key}`, value));
  if (sparse) {
    const realSize = paxRecord("GNU.sparse.realsize", text(size));
    records.push(paxRecord("GNU.sparse.major", text(1)), paxRecord("GNU.sparse.minor", text(0)));
    records.push(paxRecord("GNU.sparse.name", bytesOf(name)), realSize);
  }
  if (from > 0) records.push(paxRecord("GUESTD.from", text(from)));
  if (version !== "") records.push(paxRecord("GUESTD.version", text(version)));
  return Buffer.concat(records);
}

/** Seconds with nine decimals. */
function secondsOf(time: bigint): string {
  const nanos = ((time % NANOS) + NANOS) % NANOS;
  const seconds = (time - nanos) / NANOS;
  if (seconds >= 0n || nanos === 0n) return `${seconds}.${String(nanos).padStart(9, "0")}`;
  return `${seconds + 1n === 0n ? "-0" : seconds + 1n}.${String(NANOS - nanos).padStart(9, "0")}`;
}

/** The header's own time has whole seconds from 1970 to 2038; the record has the exact one. */
function dateOf({ mtime }: Member): Date {
  return new Date(Math.min(Math.max(Number(mtime / 1_000_000n), 0), (2 ** 31 - 1) * 1000));
}

function isShort(name: string): boolean {
  return name.length <= SHORT - 1 && /^[\x20-\x7e]*$/.test(name);
}

let packer: Encoder | undefined;

function encoded(header: Partial<Header>): Buffer[] {
  const blocks: Buffer[] = [];
  packer ??= pack() as unknown as Encoder;
  packer.push = (block) => blocks.push(block) > 0;
  packer._encode(header);
  return blocks;
}
