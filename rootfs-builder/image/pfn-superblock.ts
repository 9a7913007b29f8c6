import { fletcher64 } from "./fletcher64.ts";

export const PFN_SUPERBLOCK_SIZE = 4096;

const CHECKSUM_OFFSET = 4088;
/** The page structures are kept in RAM, so nothing is written to the image. */
const PFN_MODE_RAM = 1;

/**
 * The kernel's nd_pfn superblock, which makes a raw NVDIMM a device with page structures, and so one that DAX works on.
 * It stands 4 KiB into the device (drivers/nvdimm/pfn.h).
 * @param dataOffset bytes from the start of the device to the data that /dev/pmem0 shows
 * @param alignment bytes that the mapping of the data is aligned to
 */
export function pfnSuperblock(dataOffset: number, alignment: number): Buffer {
  const block = Buffer.alloc(PFN_SUPERBLOCK_SIZE);
  block.write("NVDIMM_PFN_INFO\0", 0, "latin1");
  block.writeUInt16LE(2, 54); // version 0.2: the alignment below is believed
  block.writeBigUInt64LE(BigInt(dataOffset), 56);
  block.writeUInt32LE(PFN_MODE_RAM, 72);
  block.writeUInt32LE(alignment, 84);
  block.writeBigUInt64LE(fletcher64(block), CHECKSUM_OFFSET);
  return block;
}
