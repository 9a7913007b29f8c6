import type { Qmp } from "./qmp.ts";

/** A disk of a guest: the number of its place, and the letters and digits that name it. */
export interface PlacedDisk {
  readonly place: number;
  readonly serial: string;
}

/** A conventional bus of a guest for disks, which costs a boot no more than a single port. */
export interface DiskBus {
  readonly id: string;
  /** Its place among the guest's devices, in hexadecimal digits. */
  readonly slot: string;
}

/** Disks that a bus has room for: its slot 0 is the bridge's own controller. */
export const UNITS = 31;

const slotOf = (unit: number) => (unit + 1).toString(16).padStart(2, "0");

/** Returns QEMU's arguments for a bus. */
export function busWords({ id, slot }: DiskBus): readonly string[] {
  return ["-device", JSON.stringify({ driver: "pcie-pci-bridge", id, bus: "pcie.0", addr: `0x${slot}` })];
}

/** Returns where a device is on a bus. Transitional devices need I/O ports, of which a machine has few. */
export function placeOn({ id }: DiskBus, unit: number): Readonly<Record<string, string>> {
  return { bus: id, addr: `0x${slotOf(unit)}`, "disable-legacy": "on" };
}

/** Returns the place of a disk in the guest, as storages of the agent name it. */
export function pciPath({ slot }: DiskBus, unit: number): string {
  return `${slot}/${slotOf(unit)}`;
}

/** Returns the id of a disk's device and node. `kind` tells disks of one bus from those of another; QEMU can list the ids. */
export function diskId(kind: string, { place, serial }: PlacedDisk): string {
  return `${kind}${place}-${serial}`;
}

/** Returns the disks of a kind that a guest has at this moment. */
export async function pluggedDisks(qmp: Pick<Qmp, "execute">, kind: string): Promise<readonly PlacedDisk[]> {
  const found = (await qmp.execute("qom-list", { path: "/machine/peripheral" })) as readonly {
    readonly name: string;
  }[];
  const id = new RegExp(`^${kind}(\\d+)-(\\w+)$`);
  return found.flatMap(({ name }) => {
    const [, place, serial] = id.exec(name) ?? [];
    return place === undefined || serial === undefined ? [] : [{ place: Number(place), serial }];
  });
}

/** Returns them with their files. */
export async function filesOfDisks(
  qmp: Pick<Qmp, "execute">,
  kind: string,
): Promise<readonly (PlacedDisk & { readonly file: string })[]> {
  const nodes = (await qmp.execute("query-named-block-nodes", { flat: true })) as readonly Readonly<
    Record<string, unknown>
  >[];
  const plugged = await pluggedDisks(qmp, kind);
  return plugged.map((disk) => {
    const node = nodes.find((each) => each["node-name"] === diskId(kind, disk));
    return { ...disk, file: String(node?.["file"]) };
  });
}

/** Returns the first free place of a bus; undefined if there is none. */
export function freePlace(plugged: readonly PlacedDisk[]): number | undefined {
  return Array.from({ length: UNITS }, (_, place) => place).find(
    (place) => !plugged.some((disk) => disk.place === place),
  );
}

/** Plugs a disk into a running guest: its node, then its device. Leaves neither if one fails. */
export async function plugDisk(
  qmp: Pick<Qmp, "execute">,
  node: Readonly<Record<string, unknown>>,
  device: Readonly<Record<string, unknown>>,
): Promise<void> {
  await qmp.execute("blockdev-add", node);
  try {
    await qmp.execute("device_add", { driver: "virtio-blk-pci", ...device });
  } catch (error) {
    await qmp.execute("blockdev-del", { "node-name": node["node-name"] }).catch(() => undefined);
    throw error;
  }
}

/** Returns QEMU's arguments for a disk that a guest has from its start. */
export function diskWords(
  node: Readonly<Record<string, unknown>>,
  device: Readonly<Record<string, unknown>>,
): readonly string[] {
  return ["-blockdev", JSON.stringify(node), "-device", JSON.stringify({ driver: "virtio-blk-pci", ...device })];
}
