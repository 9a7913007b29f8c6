import { elfSections, SECTION_OFFSET, SECTION_SIZE, SECTIONS_OFFSET } from "../debian/elf.ts";
import { withoutSignature } from "./module-signature.ts";

/** Largest alignment that a section may require. */
const ALIGNMENT = 64;

/**
 * Returns a kernel module without the two parts that take most of its loading time: its signature, and its type data
 * (BTF), which only BPF programs that trace the module use.
 * @param name for errors
 */
export function trimModule(module: Buffer, name: string): Buffer {
  return withoutTypes(withoutSignature(module), name);
}

/**
 * Removes the section's bytes and moves the rest up, but keeps its header: the kernel finds the section by name and
 * ignores an empty one.
 */
function withoutTypes(module: Buffer, name: string): Buffer {
  const sections = elfSections(module, name);
  const types = sections.find((section) => section.name === ".BTF");
  if (types === undefined) return module;
  const cut = types.bytes.length - (types.bytes.length % ALIGNMENT);
  const trimmed = Buffer.concat([module.subarray(0, types.offset), module.subarray(types.offset + cut)]);
  const moved = (offset: number) => BigInt(offset > types.offset ? offset - cut : offset);
  for (const { header, offset } of sections) {
    trimmed.writeBigUInt64LE(moved(offset), Number(moved(header)) + SECTION_OFFSET);
  }
  trimmed.writeBigUInt64LE(0n, Number(moved(types.header)) + SECTION_SIZE);
  trimmed.writeBigUInt64LE(moved(Number(module.readBigUInt64LE(SECTIONS_OFFSET))), SECTIONS_OFFSET);
  return trimmed;
}
