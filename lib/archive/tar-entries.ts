import { paxRecords, xattrsOf } from "./pax-records.ts";
import { cutOff, TarBytes } from "./tar-bytes.ts";
import { decodeHeader, type EntryType, HEADER_BYTES, type HeaderBlock, type LongType, textAt } from "./tar-header.ts";

/** A tar header, and where its content starts in the stream. The type is null if it is unknown. */
export interface TarHeader extends Omit<HeaderBlock, "type"> {
  readonly type: EntryType | null;
  readonly byteOffset: number;
  /** Records of its pax header, over those for all entries, as text; null if it has none of its own. */
  readonly pax?: Readonly<Record<string, string>> | null;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Records of its own pax header, as they are in the archive. */
  readonly records: PaxRecords;
}

export interface TarEntry {
  readonly header: TarHeader;
  /** The content; skipped unless it is read before the next entry is requested. */
  readonly content: AsyncIterable<Uint8Array>;
  /** All of the content if it has arrived; it may be used instead of `content`. */
  readonly arrived: Buffer | undefined;
}

export interface TarOptions {
  /**
   * Refuses a stream that doesn't end in blocks of zeros: without them, a tar cut off between entries looks complete.
   */
  readonly endMark?: boolean | undefined;
  /** Reads names that are not in pax records as bytes (latin1); as UTF-8 otherwise. */
  readonly byteNames?: boolean;
}

export type PaxRecords = ReadonlyMap<string, Buffer>;

/** Headers before an entry that belong to it. */
interface Extension {
  pax?: PaxRecords;
  path?: string;
  linkPath?: string;
}

/** Limits for long headers, in bytes: each few bytes become a record, for a global header in every entry. */
const MAX_BYTES: Readonly<Record<LongType, number>> = {
  "pax-header": 512 << 10,
  "pax-global-header": 4 << 10,
  "gnu-long-path": 8 << 10,
  "gnu-long-link-path": 8 << 10,
};
const NOTHING: PaxRecords = new Map();

/** Yields the entries of an uncompressed tar stream in order. Reads the stream to its end, including the padding. */
export async function* tarEntries(
  source: AsyncIterable<Uint8Array>,
  { endMark = false, byteNames = false }: TarOptions = {},
): AsyncGenerator<TarEntry> {
  // Tars from before POSIX have no magic number, and are read too.
  const encoding = byteNames ? "latin1" : "utf8";
  const bytes = new TarBytes(source);
  let [isMarked, global, extension]: [boolean, PaxRecords, Extension] = [false, NOTHING, {}];
  try {
    for (;;) {
      const block = bytes.now(HEADER_BYTES) ?? (await bytes.take(HEADER_BYTES));
      if (block === undefined) break;
      const header = decodeHeader(block, encoding);
      isMarked = header === undefined;
      if (header === undefined) continue;
      const { type } = header;
      if (isLong(type)) {
        const content = await longContent(bytes, header, type);
        if (type === "pax-header") extension.pax = new Map(paxRecords(content));
        else if (type === "pax-global-header") global = new Map(paxRecords(content));
        else extension[type === "gnu-long-path" ? "path" : "linkPath"] = textAt(content, 0, content.length, encoding);
        continue;
      }
      const extended = extend({ ...header, type: type ?? null }, bytes.position, extension, global);
      extension = {};
      const size = checked(extended.size);
      const length = type === "directory" ? 0 : size;
      const end = bytes.position + length;
      yield { header: extended, arrived: bytes.peek(length), content: contentOf(bytes, end) };
      await bytes.skipTo(padded(end));
    }
    if (endMark && !isMarked) throw new Error("it has no end-of-archive mark: is it cut off?");
  } finally {
    await bytes.close();
  }
}

const isLong = (type: HeaderBlock["type"]): type is LongType => type !== undefined && Object.hasOwn(MAX_BYTES, type);

/** Returns the end of the last block that has a byte before `position`. */
const padded = (position: number): number => Math.ceil(position / HEADER_BYTES) * HEADER_BYTES;

function checked(size: number): number {
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw new Error("Invalid header: its size is not a number");
}

async function longContent(bytes: TarBytes, { size }: HeaderBlock, type: LongType): Promise<Buffer> {
  if (checked(size) > MAX_BYTES[type]) throw new Error(`Invalid header: a ${type} of ${size} bytes`);
  const content = bytes.now(size) ?? (await bytes.take(size)) ?? cutOff();
  const end = padded(bytes.position);
  if (bytes.now(end - bytes.position) === undefined) await bytes.skipTo(end);
  return content;
}

async function* contentOf(bytes: TarBytes, end: number): AsyncGenerator<Uint8Array> {
  while (bytes.position < end) yield (await bytes.some(end - bytes.position)) ?? cutOff();
}

/** Applies the headers before an entry to its own. */
function extend(
  header: Omit<HeaderBlock, "type"> & Pick<TarHeader, "type">,
  byteOffset: number,
  { pax, path, linkPath }: Extension,
  global: PaxRecords,
): TarHeader {
  const text = (key: string) => pax && (pax.get(key) ?? global.get(key))?.toString();
  const size = text("size");
  return {
    ...header,
    name: text("path") || path || header.name,
    linkname: text("linkpath") || linkPath || header.linkname,
    size: size ? Number.parseInt(size, 10) : header.size,
    byteOffset,
    records: pax ?? NOTHING,
    xattrs: xattrsOf(pax ?? NOTHING),
    get pax() {
      return pax === undefined
        ? null
        : Object.fromEntries([...global, ...pax].map(([key, value]) => [key, `${value}`]));
    },
  };
}
