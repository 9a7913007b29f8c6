import { fletcher64 } from "./fletcher64.ts";

export const PFN_SUPERBLOCK_SIZE = 4096;
/** Bytes into the device (drivers/nvdimm/pfn.h). */
export const PFN_SUPERBLOCK_OFFSET = 4096;
/** Bytes from the start of the device to the data: the alignment with which the kernel maps it in large pages. */
export const PFN_DATA_OFFSET = 2 << 20;

const CHECKSUM_OFFSET = 4088;
/** Keeps the page structures in RAM, so that the kernel writes nothing to the image. */
const PFN_MODE_RAM = 1;

/**
 * Returns the kernel's nd_pfn superblock, which gives a raw NVDIMM page structures and so allows DAX.
 * @param dataOffset bytes from the start of the device to the data that /dev/pmem0 shows
 * @param alignment bytes to which the data's mapping is aligned
 */
export function pfnSuperblock(dataOffset: number, alignment: number): Buffer {
  const block = Buffer.alloc(PFN_SUPERBLOCK_SIZE);
  block.write("NVDIMM_PFN_INFO\0", 0, "latin1");
  block.writeUInt16LE(2, 54); // version 0.2: the kernel honours the alignment below
  block.writeBigUInt64LE(BigInt(dataOffset), 56);
  block.writeUInt32LE(PFN_MODE_RAM, 72);
  block.writeUInt32LE(alignment, 84);
  block.writeBigUInt64LE(fletcher64(block), CHECKSUM_OFFSET);
  return block;
}
