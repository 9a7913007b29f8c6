import { statSync } from "node:fs";
import { diskId, type PlacedDisk, pluggedDisks } from "./plugged-disks.ts";
import type { Qmp } from "./qmp.ts";

/** A read-only disk that is persistent memory of a guest. */
export interface MemoryDisk {
  readonly file: string;
  readonly serial: string;
  readonly slot: number;
  /** Guest-physical address where it begins. */
  readonly address: number;
}

/** Slots of a guest for such disks. */
const DISK_SLOTS = 32;
/**
 * Bytes of such disks for each byte of a guest's memory, which has page structures for them of 1/64 of their size: an eighth of
 * its memory at most.
 */
export const DISK_SHARE = 8;
/** Slots below are those of the guest's image and of plugged memory. */
const FIRST_SLOT = 8;
export const SLOTS = FIRST_SLOT + DISK_SLOTS;

const KIND = "memory";

interface MemoryDevice {
  readonly data: { readonly id?: string; readonly addr: number; readonly size: number; readonly slot: number };
}

/**
 * Plugs a disk in as persistent memory and returns its address. The guest maps the pages that the host has cached once for all
 * guests, and caches none itself. Returns undefined if the guest has no room for it. Throws MachineError.
 */
export async function plugMemory(
  qmp: Pick<Qmp, "execute">,
  disk: Pick<MemoryDisk, "file" | "serial">,
): Promise<number | undefined> {
  const known = await addressOf(qmp, disk.serial);
  if (known !== undefined) return known;
  const slot = await freeSlot(qmp, statSync(disk.file).size);
  if (slot === undefined) return undefined;
  const { object, device } = wordsOf(disk, slot);
  await qmp.execute("object-add", object);
  try {
    await qmp.execute("device_add", device);
  } catch (error) {
    await qmp.execute("object-del", { id: object.id }).catch(() => undefined);
    throw error;
  }
  return await addressOf(qmp, disk.serial);
}

/** Returns QEMU's arguments for a disk that a guest had when it was saved. */
export function memoryWords({ slot, address, ...disk }: MemoryDisk): readonly string[] {
  const { object, device } = wordsOf(disk, slot);
  return ["-object", JSON.stringify(object), "-device", JSON.stringify({ ...device, addr: address })];
}

/** Returns the disks that a guest has as persistent memory at this moment. */
export async function memoryDisks(qmp: Pick<Qmp, "execute">): Promise<readonly MemoryDisk[]> {
  const found: MemoryDisk[] = [];
  const devices = await memoryDevices(qmp);
  for (const disk of await pluggedDisks(qmp, KIND)) {
    const id = diskId(KIND, disk);
    const device = devices.find(({ data }) => data.id === id);
    const file = await qmp.execute("qom-get", { path: `/objects/${fileId(id)}`, property: "mem-path" });
    if (device !== undefined)
      found.push({ file: String(file), serial: disk.serial, slot: disk.place, address: device.data.addr });
  }
  return found;
}

async function addressOf(qmp: Pick<Qmp, "execute">, serial: string): Promise<number | undefined> {
  return (await memoryDisks(qmp)).find((disk) => disk.serial === serial)?.address;
}

/** Returns a slot for a disk of a size; undefined if there is none, or too few addresses. */
async function freeSlot(qmp: Pick<Qmp, "execute">, size: number): Promise<number | undefined> {
  const memory = (await qmp.execute("qom-get", { path: "/machine", property: "memory" })) as Readonly<
    Record<"size" | "max-size" | "slots", number>
  >;
  if (memory.slots < SLOTS) return undefined;
  const devices = await memoryDevices(qmp);
  const used = devices.reduce((sum, { data }) => sum + data.size, memory.size);
  if (used + size > memory["max-size"]) return undefined;
  const free = (slot: number) => !devices.some(({ data }) => data.slot === slot);
  return Array.from({ length: DISK_SLOTS }, (_, index) => FIRST_SLOT + index).find(free);
}

async function memoryDevices(qmp: Pick<Qmp, "execute">): Promise<readonly MemoryDevice[]> {
  return (await qmp.execute("query-memory-devices")) as readonly MemoryDevice[];
}

const fileId = (id: string) => `file-${id}`;

function wordsOf({ file, serial }: Pick<MemoryDisk, "file" | "serial">, slot: number) {
  const id = diskId(KIND, { place: slot, serial } satisfies PlacedDisk);
  const size = statSync(file).size;
  const backend = { "qom-type": "memory-backend-file", id: fileId(id), "mem-path": file, size };
  return {
    object: { ...backend, share: true, readonly: true },
    device: { driver: "nvdimm", id, memdev: fileId(id), unarmed: true, slot },
  };
}
