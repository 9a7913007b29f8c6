import { elfSections, SECTION_OFFSET, SECTION_SIZE, SECTIONS_OFFSET } from "../debian/elf.ts";
import { withoutSignature } from "./module-signature.ts";

/** What a section's place may have to be a multiple of. */
const ALIGNMENT = 64;

/**
 * A kernel module without what takes most of its loading: its signature, and its types (BTF), which only BPF programs that trace
 * the module use.
 * @param name for errors
 */
export function trimModule(module: Buffer, name: string): Buffer {
  return withoutTypes(withoutSignature(module), name);
}

/** The kernel looks for the section by its name and passes over one without bytes: the header stays, what is behind moves up. */
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
