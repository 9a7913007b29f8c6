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

/** A read-only disk that several guests can have at the same time. */
export interface SharedDisk {
  /** Absolute path of a file that no process changes. */
  readonly file: string;
  /** Names the disk among those of a guest: at most 20 letters and digits. */
  readonly serial: string;
}

/** A disk with the slot that it has in a guest. */
export interface PluggedDisk extends SharedDisk {
  readonly unit: number;
}

const KIND = "disk";
const BUS: DiskBus = { id: "disks", slot: "18" };

/**
 * Returns QEMU's arguments for a guest that can have shared disks, with those that it has from its start: in the first
 * slots, unless they name theirs.
 */
export function diskArguments(disks: readonly (SharedDisk & { readonly unit?: number })[]): readonly string[] {
  if (disks.length > UNITS) throw new MachineError(tooMany("a guest"));
  const words = disks.map((disk, index) => {
    const unit = disk.unit ?? index;
    return diskWords(blockNode(disk, unit), device(disk, unit));
  });
  return [...busWords(BUS), ...words.flat()];
}

/**
 * Plugs a disk into a running guest with `diskArguments` and returns its place. Does nothing for a disk that the guest
 * has already. The disk stays until the guest ends. QEMU serves one connection at a time, so other processes wait
 * meanwhile. Throws MachineError.
 */
export async function attachDisk(qmp: Pick<Qmp, "execute">, guest: string, disk: SharedDisk): Promise<string> {
  const plugged = await pluggedDisks(qmp, KIND);
  const known = plugged.find(({ serial }) => serial === disk.serial);
  if (known !== undefined) return pciPath(BUS, known.place);
  const unit = freePlace(plugged);
  if (unit === undefined) throw new MachineError(tooMany(`guest ${guest}`));
  await plugDisk(qmp, blockNode(disk, unit), device(disk, unit));
  return pciPath(BUS, unit);
}

/** Returns the shared disks that a guest has at this moment. */
export async function sharedDisks(qmp: Pick<Qmp, "execute">): Promise<readonly PluggedDisk[]> {
  return (await filesOfDisks(qmp, KIND)).map(({ place, ...disk }) => ({ unit: place, ...disk }));
}

function blockNode(disk: SharedDisk, unit: number) {
  const file = { driver: "file", filename: disk.file };
  return { driver: "raw", "node-name": diskId(KIND, { place: unit, ...disk }), "read-only": true, file };
}

function device(disk: SharedDisk, unit: number) {
  const name = diskId(KIND, { place: unit, ...disk });
  return { id: name, drive: name, ...placeOn(BUS, unit), serial: disk.serial };
}

function tooMany(guest: string): string {
  return `${guest}: it can have ${UNITS} images on disks, and has them; use another guest`;
}
