import type { Qmp } from "./qmp.ts";

/** A disk of a guest: the number of its place, and the letters and digits that name it. */
export interface PlacedDisk {
  readonly place: number;
  readonly serial: string;
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

/** Returns the first free of so many places; undefined if there is none. */
export function freePlace(plugged: readonly PlacedDisk[], places: number): number | undefined {
  return Array.from({ length: places }, (_, place) => place).find(
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
