import { mbr } from "./mbr.ts";
import { pfnSuperblock } from "./pfn-superblock.ts";

const MIB = 1024 * 1024;
const SUPERBLOCK_OFFSET = 4096;
/** Where /dev/pmem0 begins; a plain disk driver sees what is before it. */
const HEADER_SIZE = 2 * MIB;
/** From the start of /dev/pmem0, and with the header as much more from the start of the file. */
export const PARTITION_START = MIB;
/** The kernel maps persistent memory in sections of this size; a part of one at the end would be cut off. */
const SIZE_UNIT = 128 * MIB;

export interface DiskOptions {
  /** With the header that makes a raw NVDIMM a device with DAX; true if not given. Without it the file is a plain disk. */
  readonly daxHeader?: boolean;
}

export interface DiskLayout {
  /** Size of the whole file; what is not said to be written stays a hole. */
  readonly size: number;
  /** Where the file system goes. */
  readonly fileSystemOffset: number;
  readonly parts: readonly { readonly offset: number; readonly bytes: Buffer }[];
}

/**
 * A raw image with one partition, as Kata hosts take it: with the header as NVDIMM, where the kernel finds the partition
 * from 2 MiB on (/dev/pmem0p1), and with or without as a plain disk (/dev/vda1).
 * @param fileSystemSize bytes
 */
export function diskLayout(fileSystemSize: number, { daxHeader = true }: DiskOptions = {}): DiskLayout {
  const fileSystemOffset = (daxHeader ? HEADER_SIZE : 0) + PARTITION_START;
  const size = Math.ceil((fileSystemOffset + fileSystemSize) / SIZE_UNIT) * SIZE_UNIT;
  const partitionSize = size - fileSystemOffset;
  const disk = { offset: 0, bytes: mbr([{ start: fileSystemOffset, size: partitionSize }]) };
  const header = [
    { offset: SUPERBLOCK_OFFSET, bytes: pfnSuperblock(HEADER_SIZE, HEADER_SIZE) },
    { offset: HEADER_SIZE, bytes: mbr([{ start: PARTITION_START, size: partitionSize }]) },
  ];
  return { size, fileSystemOffset, parts: daxHeader ? [disk, ...header] : [disk] };
}
