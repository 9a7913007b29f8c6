import { readSync } from "node:fs";
import type { Fd } from "../../kernel/kernel.ts";

/** Longest ELF header. */
const ELF_HEADER = 64;
const [ET_CORE, PN_XNUM] = [4, 0xffff];
const [ELF32, ELF64] = [1, 2];
/** Program headers that are read at a time. */
const AT_ONCE = 512;

/** Offsets of fields in the ELF header, and in a program header. */
const LAYOUT32 = { phoff: 28, phentsize: 42, phnum: 44, header: 32, offset: 4, filesz: 16 } as const;
const LAYOUT64 = { phoff: 32, phentsize: 54, phnum: 56, header: 56, offset: 8, filesz: 32 } as const;

/**
 * Returns where the last part of an ELF core ends by its program headers, in bytes from `start` in the file. A core that ends
 * earlier is not whole. Undefined if it is no ELF core, or if its headers can't be read.
 */
export function elfEnd(fd: Fd, start: number): number | undefined {
  const elf = readAt(fd, start, ELF_HEADER);
  if (elf.length < ELF_HEADER || elf.toString("latin1", 0, 4) !== "\x7fELF") return undefined;
  const [kind, encoding, type] = [elf.readUInt8(4), elf.readUInt8(5), elf.readUInt16LE(16)];
  if ((kind !== ELF32 && kind !== ELF64) || encoding !== 1 || type !== ET_CORE) return undefined;
  const layout = kind === ELF32 ? LAYOUT32 : LAYOUT64;
  const word = (from: Buffer, at: number) =>
    kind === ELF32 ? from.readUInt32LE(at) : Number(from.readBigUInt64LE(at));
  const [first, size, count] = [
    word(elf, layout.phoff),
    elf.readUInt16LE(layout.phentsize),
    elf.readUInt16LE(layout.phnum),
  ];
  if (size !== layout.header || count === PN_XNUM) return undefined;
  let end = first + count * size;
  for (let done = 0; done < count; done += AT_ONCE) {
    const wanted = Math.min(AT_ONCE, count - done) * size;
    const headers = readAt(fd, start + first + done * size, wanted);
    if (headers.length < wanted) return end;
    for (let at = 0; at < wanted; at += size) {
      end = Math.max(end, word(headers, at + layout.offset) + word(headers, at + layout.filesz));
    }
  }
  return end;
}

/** Reads up to `length` bytes; fewer at the end of the file, none at a position that no file has. */
function readAt(fd: Fd, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, Number.isSafeInteger(at) ? readSync(fd, bytes, 0, length, at) : 0);
}
