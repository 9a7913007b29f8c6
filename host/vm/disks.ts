import { PFN_DATA_OFFSET } from "../../lib/pmem/pfn-superblock.ts";
import { type MemoryDisk, memoryDisks, memoryWords, plugMemory } from "./disk-memory.ts";
import { MachineError } from "./machine-error.ts";
import {
  busWords,
  type DiskBus,
  diskId,
  diskWords,
  filesOfDisks,
  freePlace,
  pciPath,
  placeOn,
  plugDisk,
  pluggedDisks,
  UNITS,
} from "./plugged-disks.ts";
import type { Qmp } from "./qmp.ts";

/**
 * A read-only disk that several guests can have at the same time: as persistent memory, which uses the host's page cache, or on
 * virtio-blk, where a guest has no room for that.
 */
export interface SharedDisk {
  /** Absolute path of a file that no process changes: an NVDIMM with a pfn superblock (lib/pmem). */
  readonly file: string;
  /** Names the disk among those of a guest: at most 20 letters and digits. */
  readonly serial: string;
}

/** A disk on virtio-blk with the slot that it has in a guest. */
export interface BlockDisk extends SharedDisk {
  readonly unit: number;
}

/** A disk with its place in a guest. */
export type PluggedDisk = MemoryDisk | BlockDisk;

/** The driver and source by which storages of the agent name a disk. */
export type DiskSource = { readonly driver: "blk" | "nvdimm"; readonly source: string };

const KIND = "disk";
const BUS: DiskBus = { id: "disks", slot: "18" };

/** Returns QEMU's arguments for a guest that can have shared disks, with those that it had when it was saved. */
export function diskArguments(disks: readonly PluggedDisk[]): readonly string[] {
  const words = (disk: PluggedDisk) =>
    "unit" in disk ? diskWords(blockNode(disk, disk.unit), device(disk, disk.unit)) : memoryWords(disk);
  return [...busWords(BUS), ...disks.flatMap(words)];
}

/**
 * Plugs a disk into a running guest with `diskArguments` and returns its source. Does nothing for a disk that the guest
 * has already. The disk stays until the guest ends. QEMU serves one connection at a time, so other processes wait
 * meanwhile. Throws MachineError.
 */
export async function attachDisk(qmp: Pick<Qmp, "execute">, guest: string, disk: SharedDisk): Promise<DiskSource> {
  const plugged = await pluggedDisks(qmp, KIND);
  const known = plugged.find(({ serial }) => serial === disk.serial);
  if (known !== undefined) return { driver: "blk", source: pciPath(BUS, known.place) };
  const address = await plugMemory(qmp, disk);
  if (address !== undefined) return { driver: "nvdimm", source: `0x${address.toString(16)}` };
  const unit = freePlace(plugged);
  if (unit === undefined) {
    const why = `it can have ${UNITS} images on disks, and has them; use another guest`;
    throw new MachineError(`guest ${guest}: ${why}`);
  }
  await plugDisk(qmp, blockNode(disk, unit), device(disk, unit));
  return { driver: "blk", source: pciPath(BUS, unit) };
}

/** Returns the shared disks that a guest has at this moment. */
export async function sharedDisks(qmp: Pick<Qmp, "execute">): Promise<readonly PluggedDisk[]> {
  const onBlocks = (await filesOfDisks(qmp, KIND)).map(({ place, ...disk }) => ({ unit: place, ...disk }));
  return [...onBlocks, ...(await memoryDisks(qmp))];
}

function blockNode(disk: SharedDisk, unit: number) {
  const file = { driver: "file", filename: disk.file };
  return {
    driver: "raw",
    "node-name": diskId(KIND, { place: unit, ...disk }),
    "read-only": true,
    offset: PFN_DATA_OFFSET,
    file,
  };
}

function device(disk: SharedDisk, unit: number) {
  const name = diskId(KIND, { place: unit, ...disk });
  return { id: name, drive: name, ...placeOn(BUS, unit), serial: disk.serial };
}
