import { ArchiveError } from "./archive-error.ts";
import type { Member, Part } from "./member.ts";
import { paxRecords } from "./pax-records.ts";
import { type TarEntry, type TarHeader, tarEntries } from "./tar-entries.ts";

const BLOCK = 512;
/** Most parts of a file with holes, and most bytes of their list. */
export const MAX_PARTS = 16_384;
const MAX_MAP = MAX_PARTS * 40;
const MAX_OWNER = 2 ** 32 - 2;
/** A time beyond it, in seconds, is one that no file system stores. */
const MAX_SECONDS = 2n ** 34n;
const NANOS = 1_000_000_000n;

/** Types of members that are left out, by the name that a person knows. */
const LEFT_OUT: ReadonlyMap<string, string> = new Map([
  ["fifo", "named pipes"],
  ["character-device", "devices"],
  ["block-device", "devices"],
]);

const TYPES: Readonly<Record<string, Member["type"]>> = {
  file: "file",
  "contiguous-file": "file",
  directory: "directory",
  symlink: "symlink",
  link: "link",
};

/** Bytes of a file's content, and where they belong. */
export interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface ReadMember {
  readonly member: Member;
  /** To be read to its end, once. */
  readonly content: AsyncIterable<Piece>;
  /** Position in the archive of the content's first byte. */
  readonly start: number;
  /** Position in the archive of the next member. */
  readonly end: number;
}

/**
 * Yields the members of an archive, whatever it contains: their names are checked by whoever uses them. Calls `leaveOut`
 * for members of kinds that aren't copied. Throws ArchiveError for an archive that is damaged or cut off, or whose source
 * throws.
 */
export async function* readMembers(
  source: AsyncIterable<Uint8Array>,
  leaveOut: (kind: string) => void,
): AsyncGenerator<ReadMember> {
  for await (const entry of entries(source)) {
    const { header } = entry;
    const end = header.byteOffset + Math.ceil(header.size / BLOCK) * BLOCK;
    const kind = LEFT_OUT.get(header.type ?? "");
    if (kind !== undefined) leaveOut(kind);
    else yield { ...(await readMember(entry)), end };
  }
}

async function* entries(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  try {
    yield* tarEntries(source, { endMark: true, byteNames: true });
  } catch (error) {
    throw notWhole(error);
  }
}

function notWhole(error: unknown): unknown {
  if (error instanceof ArchiveError || !(error instanceof Error)) return error;
  return new ArchiveError("invalid-argument", `not a whole tar archive: ${error.message}`, { cause: error });
}

async function readMember({ header, content }: TarEntry): Promise<Omit<ReadMember, "end">> {
  const records = new Map<string, Buffer>(paxRecords(header.records));
  const text = (key: string) => records.get(key)?.toString("latin1");
  const sparse = text("GNU.sparse.major") === "1";
  const type = TYPES[header.type ?? ""];
  if (type === undefined || (!sparse && [...records.keys()].some((key) => key.startsWith("GNU.sparse.")))) {
    throw new ArchiveError("invalid-argument", "a member is of an unknown type; pack it with tar --format=posix");
  }
  const name = (sparse ? text("GNU.sparse.name") : undefined) ?? text("path") ?? header.name;
  const bytes = new Bytes(content);
  const from = count(text("GUESTD.from") ?? "0");
  const size = type !== "file" ? 0 : sparse ? count(text("GNU.sparse.realsize")) : header.size + from;
  const parts = sparse ? await readMap(bytes, size, from) : size > from ? [{ start: from, end: size }] : [];
  const member: Member = {
    ...{ name: name.replace(/\/+$/, ""), type, mode: header.mode & 0o7777, from, size, parts },
    ...{ uid: owner(text("uid") ?? header.uid), gid: owner(text("gid") ?? header.gid) },
    ...{ mtime: time(text("mtime"), header), atime: time(text("atime") ?? text("mtime"), header) },
    ...{ xattrs: header.xattrs, version: text("GUESTD.version") ?? "" },
    target: type === "symlink" || type === "link" ? (text("linkpath") ?? header.linkname ?? "") : "",
  };
  return { member, content: pieces(bytes, parts), start: header.byteOffset };
}

function count(text: string | undefined): number {
  const number = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new ArchiveError("invalid-argument", `a member's header is damaged: ${JSON.stringify(text)} is no number`);
}

function owner(value: string | number): number {
  const id = Number(value);
  if (Number.isInteger(id) && id >= 0 && id <= MAX_OWNER) return id;
  throw new ArchiveError("invalid-argument", `a member's owner ${JSON.stringify(value)} is no id`);
}

function time(text: string | undefined, header: TarHeader): bigint {
  const [, sign, seconds = "0", fraction = ""] = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text ?? "") ?? [];
  if (sign === undefined) return BigInt(header.mtime.getTime() || 0) * 1_000_000n;
  const whole = BigInt(seconds);
  const nanos = (whole > MAX_SECONDS ? MAX_SECONDS : whole) * NANOS + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -nanos : nanos;
}

/** Reads GNU tar's map of version 1.0. The parts are in order, and within the file. */
async function readMap(bytes: Bytes, size: number, from: number): Promise<Part[]> {
  let text = "";
  let at = 0;
  const number = async () => {
    for (;;) {
      const end = text.indexOf("\n", at);
      if (end >= 0) {
        const found = count(text.slice(at, end));
        at = end + 1;
        return found;
      }
      const block = await bytes.take(BLOCK);
      if (block === undefined || text.length > MAX_MAP) {
        throw new ArchiveError("invalid-argument", "a file's list of holes is damaged or too long");
      }
      text += block.toString("latin1");
    }
  };
  const parts: Part[] = [];
  const length = await number();
  if (length > MAX_PARTS) throw new ArchiveError("resource-exhausted", `a file has over ${MAX_PARTS} holes`);
  for (let last = from; parts.length < length; ) {
    const [start, bytesOfPart] = [await number(), await number()];
    const end = start + bytesOfPart;
    if (start < last || end > size) throw new ArchiveError("invalid-argument", "a file's list of holes is damaged");
    parts.push({ start, end });
    last = end;
  }
  return parts;
}

async function* pieces(bytes: Bytes, parts: readonly Part[]): AsyncGenerator<Piece> {
  for (const { start, end } of parts) {
    for (let offset = start; offset < end; ) {
      const piece = await bytes.next(end - offset);
      if (piece === undefined)
        throw new ArchiveError("invalid-argument", "a file's content is shorter than its header");
      yield { offset, bytes: piece };
      offset += piece.length;
    }
  }
}

/** Bytes of a member, read in lengths that the caller chooses. */
class Bytes {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#chunks = content[Symbol.asyncIterator]();
  }

  /** Resolves with 1 to `most` bytes; undefined at the end. */
  async next(most: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next().catch((error: unknown) => {
        throw notWhole(error);
      });
      if (done) return undefined;
      this.#rest = value;
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  /** Resolves with exactly so many bytes; undefined if there are fewer. */
  async take(length: number): Promise<Buffer | undefined> {
    const taken: Uint8Array[] = [];
    for (let left = length; left > 0; ) {
      const piece = await this.next(left);
      if (piece === undefined) return undefined;
      taken.push(piece);
      left -= piece.length;
    }
    return Buffer.concat(taken);
  }
}
