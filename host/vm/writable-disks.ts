import { existsSync } from "node:fs";
import { MachineError } from "./machine-error.ts";
import { unplug } from "./plugged-device.ts";
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
import { waitForUnlock } from "./wait-for-unlock.ts";

/** A disk that one guest writes. */
export interface WritableDisk {
  /** Absolute path of a sparse file. */
  readonly file: string;
  /** Names the disk among those of a guest: at most 20 letters and digits. */
  readonly serial: string;
}

/** A disk with the slot that it has in a guest. */
export interface PluggedWritable extends WritableDisk {
  readonly unit: number;
}

const KIND = "writable";
const BUS: DiskBus = { id: KIND, slot: "1a" };

/** Returns QEMU's arguments for a guest that can have writable disks, with those that it has from its start. */
export function writableArguments(disks: readonly (WritableDisk & { readonly unit?: number })[]): readonly string[] {
  const words = disks.map((disk, index) => {
    const unit = disk.unit ?? index;
    return diskWords(blockNode(disk, unit), device(disk, unit));
  });
  return [...busWords(BUS), ...words.flat()];
}

/**
 * Plugs a disk into a running guest with `writableArguments`, unless it has it already, and returns its place as storages of
 * the agent name it. Throws MachineError.
 */
export async function attachWritable(qmp: Pick<Qmp, "execute">, guest: string, disk: WritableDisk): Promise<string> {
  const plugged = await pluggedDisks(qmp, KIND);
  const known = plugged.find(({ serial }) => serial === disk.serial);
  if (known !== undefined) return pciPath(BUS, known.place);
  const unit = freePlace(plugged);
  if (unit === undefined) {
    const remedy = "remove containers, or use another guest";
    throw new MachineError(`guest ${guest}: it can have ${UNITS} writable disks, and has them; ${remedy}`);
  }
  await waitForUnlock(disk.file);
  await plugDisk(qmp, blockNode(disk, unit), device(disk, unit));
  return pciPath(BUS, unit);
}

/** Unplugs a disk from a running guest, whose kernel has to agree, if it has the disk. Throws MachineError. */
export async function detachWritable(
  qmp: Pick<Qmp, "execute" | "event">,
  { serial }: Pick<WritableDisk, "serial">,
): Promise<void> {
  const found = (await pluggedDisks(qmp, KIND)).find((each) => each.serial === serial);
  if (found === undefined) return;
  const id = diskId(KIND, found);
  await unplug(qmp, { id });
  await qmp.execute("blockdev-del", { "node-name": id });
}

/**
 * Unplugs the disks whose files are gone: the process that had plugged them was killed before a container had them. With one of them,
 * the guest's snapshot could not be loaded.
 */
export async function detachGone(qmp: Pick<Qmp, "execute" | "event">): Promise<void> {
  for (const disk of await writableDisks(qmp)) if (!existsSync(disk.file)) await detachWritable(qmp, disk);
}

/** Returns the writable disks that a guest has at this moment. */
export async function writableDisks(qmp: Pick<Qmp, "execute">): Promise<readonly PluggedWritable[]> {
  return (await filesOfDisks(qmp, KIND)).map(({ place, ...disk }) => ({ unit: place, ...disk }));
}

/** Frees what the guest deletes. */
function blockNode(disk: WritableDisk, unit: number) {
  const file = { driver: "file", filename: disk.file, discard: "unmap" };
  return { driver: "raw", "node-name": diskId(KIND, { place: unit, ...disk }), discard: "unmap", file };
}

/** A full disk of the host is an error for the guest, which QEMU would otherwise stop until there is room. */
function device(disk: WritableDisk, unit: number) {
  const name = diskId(KIND, { place: unit, ...disk });
  const errors = { werror: "report", rerror: "report" };
  return { id: name, drive: name, ...placeOn(BUS, unit), serial: disk.serial, ...errors };
}
