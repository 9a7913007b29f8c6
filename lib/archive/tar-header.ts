/** One block of a tar archive that describes what follows; all lengths are those of POSIX and of GNU tar. */
export interface HeaderBlock {
  readonly name: string;
  /** Undefined if it is none of those known here. */
  readonly type: EntryType | LongType | undefined;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: Date;
  readonly linkname: string | null;
  readonly devmajor: number;
  readonly devminor: number;
}

export type EntryType =
  | ("file" | "link" | "symlink" | "character-device" | "block-device" | "directory" | "fifo")
  | "contiguous-file";
/** Headers whose content belongs to the header of the next entry, or of all that follow. */
export type LongType = "pax-header" | "pax-global-header" | "gnu-long-path" | "gnu-long-link-path";

export const HEADER_BYTES = 512;
const TYPES: Readonly<Record<string, EntryType | LongType>> = {
  ...{ "\0": "file", "0": "file", "1": "link", "2": "symlink", "3": "character-device", "4": "block-device" },
  ...{ "5": "directory", "6": "fifo", "7": "contiguous-file", x: "pax-header", g: "pax-global-header" },
  ...{ K: "gnu-long-link-path", L: "gnu-long-path", N: "gnu-long-path" },
};
const [SPACE, ZERO, SEVEN] = [0x20, 0x30, 0x37];
const [SUM_START, SUM_END, PREFIX] = [148, 156, 345];

/** Decodes a block of 512 bytes; undefined if all of it is zero. Throws if its checksum is wrong. */
export function decodeHeader(block: Buffer, encoding: "latin1" | "utf8"): HeaderBlock | undefined {
  const sum = sumOf(block);
  if (sum === (SUM_END - SUM_START) * SPACE) return undefined;
  if (sum !== numberAt(block, SUM_START, 8))
    throw new Error("Invalid tar header. Maybe the tar is corrupted or it needs to be gunzipped?");
  const own = textAt(block, 0, 100, encoding);
  const isPrefixed = block[PREFIX] !== 0 && block.toString("latin1", 257, 263) === "ustar\0";
  const name = isPrefixed ? `${textAt(block, PREFIX, 155, encoding)}/${own}` : own;
  const type = TYPES[String.fromCharCode(block[156] ?? 0)];
  const isDevice = type === "character-device" || type === "block-device";
  return {
    name,
    type,
    mode: numberAt(block, 100, 8),
    uid: numberAt(block, 108, 8),
    gid: numberAt(block, 116, 8),
    size: numberAt(block, 124, 12),
    mtime: new Date(1000 * numberAt(block, 136, 12)),
    linkname: block[157] === 0 ? null : textAt(block, 157, 100, encoding),
    devmajor: isDevice ? numberAt(block, 329, 8) : 0,
    devminor: isDevice ? numberAt(block, 337, 8) : 0,
  };
}

/** Returns a text up to its first zero byte. */
export function textAt(bytes: Buffer, start: number, length: number, encoding: "latin1" | "utf8"): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString(encoding, 0, end < 0 ? field.length : end);
}

/** Adds all bytes, those of the checksum itself as spaces. */
function sumOf(block: Buffer): number {
  let sum = (SUM_END - SUM_START) * SPACE;
  for (let at = 0; at < SUM_START; at++) sum += block[at] ?? 0;
  for (let at = SUM_END; at < HEADER_BYTES; at++) sum += block[at] ?? 0;
  return sum;
}

/** Returns a number in octal digits, or in GNU's base 256; NaN for anything else, and 0 for an empty field. */
function numberAt(block: Buffer, start: number, length: number): number {
  const end = start + length;
  const first = block[start] ?? 0;
  if (first >= 0x80) return first === 0x80 || first === 0xff ? binaryAt(block, start, end) : Number.NaN;
  let at = start;
  while (at < end && (block[at] === SPACE || block[at] === 0)) at++;
  if (at === end) return 0;
  let value = Number.NaN;
  for (; at < end; at++) {
    const digit = block[at] ?? 0;
    if (digit < ZERO || digit > SEVEN) break;
    value = (Number.isNaN(value) ? 0 : value * 8) + digit - ZERO;
  }
  return value;
}

/** Returns a number whose first byte is its sign. */
function binaryAt(block: Buffer, start: number, end: number): number {
  const isNegative = block[start] === 0xff;
  let value = 0;
  for (let at = start + 1; at < end; at++) {
    const byte = block[at] ?? 0;
    value = value * 256 + (isNegative ? 0xff - byte : byte);
  }
  return isNegative ? -value : value;
}
