import { BuildError } from "../build-error.ts";

const SHT_STRTAB = 3;
const SHT_DYNAMIC = 6;
const DT_NEEDED = 1n;
const SECTION_HEADER_SIZE = 64;
/**
 * Offsets in the ELF header of the section headers' offset and count, and in a section header of its offset and size.
 */
export const SECTIONS_OFFSET = 40;
export const SECTION_OFFSET = 24;
export const SECTION_SIZE = 32;

interface Section {
  readonly name: string;
  /** Offset of the section's header in the file. */
  readonly header: number;
  readonly offset: number;
  readonly type: number;
  /** Index of the section that this one refers to (its strings, for .dynamic). */
  readonly link: number;
  readonly bytes: Buffer;
}

/** Returns the sections of a 64-bit little-endian ELF file, the only kind on this project's machines. */
export function elfSections(file: Buffer, name: string): readonly Section[] {
  const fail = (why: string) => new BuildError(`${name}: ${why}: unsupported ELF file`);
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46) throw fail("no ELF header");
  if (file[4] !== 2 || file[5] !== 1) throw fail("not 64-bit little-endian");
  const offset = Number(file.readBigUInt64LE(SECTIONS_OFFSET));
  const count = file.readUInt16LE(60);
  const namesIndex = file.readUInt16LE(62);
  if (offset + count * SECTION_HEADER_SIZE > file.length) throw fail("section headers past the end");
  const headers = Array.from({ length: count }, (_, index) => {
    const header = offset + index * SECTION_HEADER_SIZE;
    const start = Number(file.readBigUInt64LE(header + SECTION_OFFSET));
    // A section of type NOBITS has a size but no bytes; subarray clips it.
    const bytes = file.subarray(start, start + Number(file.readBigUInt64LE(header + SECTION_SIZE)));
    const [nameAt, type, link] = [0, 4, 40].map((field) => file.readUInt32LE(header + field));
    return { header, offset: start, nameAt: nameAt ?? 0, type: type ?? 0, link: link ?? 0, bytes };
  });
  const names = headers[namesIndex]?.bytes ?? Buffer.alloc(0);
  return headers.map(({ nameAt, ...rest }) => ({ name: cString(names, nameAt), ...rest }));
}

/** Returns the names of the shared libraries that a program or library needs (DT_NEEDED), in order. */
export function neededLibraries(file: Buffer, name: string): readonly string[] {
  const sections = elfSections(file, name);
  const dynamic = sections.find(({ type }) => type === SHT_DYNAMIC);
  if (dynamic === undefined) return [];
  const strings = sections[dynamic.link];
  if (strings?.type !== SHT_STRTAB) throw new BuildError(`${name}: its dynamic section has no strings`);
  const needed: string[] = [];
  for (let at = 0; at + 16 <= dynamic.bytes.length; at += 16) {
    if (dynamic.bytes.readBigUInt64LE(at) !== DT_NEEDED) continue;
    needed.push(cString(strings.bytes, Number(dynamic.bytes.readBigUInt64LE(at + 8))));
  }
  return needed;
}

function cString(bytes: Buffer, start: number): string {
  const end = bytes.indexOf(0, start);
  return bytes.toString("latin1", start, end === -1 ? undefined : end);
}
