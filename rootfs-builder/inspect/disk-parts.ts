import { fletcher64 } from "../../lib/pmem/fletcher64.ts";
import { type Check, check, reading } from "./check.ts";

const SECTOR = 512;
const ENTRIES = 446;
const ENTRY = 16;
const PFN_OFFSET = 4096;
const PFN_SIGNATURE = "NVDIMM_PFN_INFO\0";
const CHECKSUM = 4088;
const PMD = 2 * 1024 * 1024;
const SECTION = 128 * 1024 * 1024;

export interface Partition {
  readonly offset: number;
  readonly size: number;
}

export interface DiskParts {
  readonly daxHeader: boolean;
  /** The partition that a disk driver sees, if any. */
  readonly partition: Partition | undefined;
  /** The second of two partitions, which holds the hashes of the first. */
  readonly hashes: Partition | undefined;
  readonly checks: readonly Check[];
}

export function isDisk(bytes: Buffer): boolean {
  return bytes.length >= SECTOR && bytes.readUInt16LE(510) === 0xaa55 && bytes[0] === 0;
}

/** Reads the partition tables of a raw disk, and the header that makes an NVDIMM a DAX device. */
export function diskParts(bytes: Buffer): DiskParts {
  return reading("disk", () => partsOf(bytes));
}

function partsOf(bytes: Buffer): DiskParts {
  const [partition, hashes, ...more] = partitionsAt(bytes, 0);
  const checks = [partitionCheck("partition table of a disk", bytes, 0, more.length === 0 ? partition : undefined)];
  const block = Buffer.from(bytes.subarray(PFN_OFFSET, 2 * PFN_OFFSET));
  const daxHeader = block.toString("latin1", 0, PFN_SIGNATURE.length) === PFN_SIGNATURE;
  const header = daxHeader ? headerChecks(bytes, block, partition) : [];
  return { daxHeader, partition, hashes, checks: [...checks, ...header] };
}

function headerChecks(bytes: Buffer, block: Buffer, disk: Partition | undefined): readonly Check[] {
  const said = block.readBigUInt64LE(CHECKSUM);
  block.fill(0, CHECKSUM);
  const version = `${block.readUInt16LE(52)}.${block.readUInt16LE(54)}`;
  const start = Number(block.readBigUInt64LE(56));
  const alignment = block.readUInt32LE(84);
  const [inner] = partitionsAt(bytes, start);
  const same = inner !== undefined && inner.offset === disk?.offset && inner.size === disk.size;
  return [
    check("DAX header: checksum", said === fletcher64(block), said.toString(16), fletcher64(block).toString(16)),
    check("DAX header: version", version === "0.2", version, "0.2, whose alignment the kernel honours"),
    check("DAX header: alignment", alignment === PMD && start % PMD === 0, `${alignment}, data at ${start}`, `${PMD}`),
    check(
      "DAX header: mode",
      block.readUInt32LE(72) === 1,
      String(block.readUInt32LE(72)),
      "1, page structures in RAM",
    ),
    check("size of an NVDIMM", bytes.length % SECTION === 0, String(bytes.length), `a multiple of ${SECTION}`),
    partitionCheck("partition table of /dev/pmem0", bytes, start, inner),
    check("both partition tables", same, same ? "same partition" : "different partitions", "the same partition"),
  ];
}

/**
 * Returns the partitions in the table at `start`, as offsets in the file; none if one of them is not inside the file.
 */
function partitionsAt(bytes: Buffer, start: number): readonly Partition[] {
  if (start + SECTOR > bytes.length || bytes.readUInt16LE(start + 510) !== 0xaa55) return [];
  const entries = [0, 1, 2, 3].map((at) =>
    bytes.subarray(start + ENTRIES + at * ENTRY, start + ENTRIES + (at + 1) * ENTRY),
  );
  const used = entries.filter((entry) => entry.some((byte) => byte !== 0));
  const partitions = used.map((entry) => {
    return { offset: start + entry.readUInt32LE(8) * SECTOR, size: entry.readUInt32LE(12) * SECTOR };
  });
  return partitions.every(({ offset, size }) => size > 0 && offset + size <= bytes.length) ? partitions : [];
}

function partitionCheck(name: string, bytes: Buffer, start: number, partition: Partition | undefined): Check {
  const type = start + SECTOR <= bytes.length ? bytes[start + ENTRIES + 4] : undefined;
  const found = partition === undefined ? "none" : `at ${partition.offset} of ${partition.size} bytes`;
  return check(name, partition !== undefined && type === 0x83, found, "Linux partitions inside the file, one or two");
}
