import { PFN_DATA_OFFSET, PFN_SUPERBLOCK_OFFSET, pfnSuperblock } from "../../lib/pmem/pfn-superblock.ts";
import { mbr } from "./mbr.ts";

const MIB = 1024 * 1024;
/** Start of /dev/pmem0. Only a plain disk driver sees the bytes before it. */
const HEADER_SIZE = PFN_DATA_OFFSET;
/** Offset from the start of /dev/pmem0. From the start of the file, add the header's size. */
export const PARTITION_START = MIB;
/** The kernel maps persistent memory in sections of this size and would cut off an incomplete one. */
const SIZE_UNIT = 128 * MIB;

export interface DiskOptions {
  /**
   * Adds the header that makes a raw NVDIMM a DAX device; the default is true. Without it, the file is a plain disk.
   */
  readonly daxHeader?: boolean;
}

export interface DiskLayout {
  /** Size of the whole file. Everything that isn't written stays a hole. */
  readonly size: number;
  /** Offset of the file system. */
  readonly fileSystemOffset: number;
  readonly parts: readonly { readonly offset: number; readonly bytes: Buffer }[];
}

/**
 * Lays out a raw image with one partition, as Kata hosts expect it. With the header it is an NVDIMM, whose partition
 * the kernel finds 2 MiB in (/dev/pmem0p1). With or without the header it is a plain disk (/dev/vda1).
 * @param fileSystemSize bytes
 */
export function diskLayout(fileSystemSize: number, { daxHeader = true }: DiskOptions = {}): DiskLayout {
  const fileSystemOffset = (daxHeader ? HEADER_SIZE : 0) + PARTITION_START;
  const size = Math.ceil((fileSystemOffset + fileSystemSize) / SIZE_UNIT) * SIZE_UNIT;
  const partitionSize = size - fileSystemOffset;
  const disk = { offset: 0, bytes: mbr([{ start: fileSystemOffset, size: partitionSize }]) };
  const header = [
    { offset: PFN_SUPERBLOCK_OFFSET, bytes: pfnSuperblock(HEADER_SIZE, HEADER_SIZE) },
    { offset: HEADER_SIZE, bytes: mbr([{ start: PARTITION_START, size: partitionSize }]) },
  ];
  return { size, fileSystemOffset, parts: daxHeader ? [disk, ...header] : [disk] };
}
