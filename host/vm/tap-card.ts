import { type PluggedDevice, plug, portOf } from "./plugged-device.ts";
import { qemuArchitecture } from "./programs.ts";
import type { Qmp } from "./qmp.ts";

/** A card of a guest, whose other end is a network device of the namespace that QEMU runs in. */
export interface TapCard {
  /** Name of the device, which this user owns. */
  readonly tap: string;
  readonly mac: string;
  readonly mtu: number;
}

/** Most cards that a guest can have. */
export const MOST_CARDS = 2;
const PORTS = ["card", "spare"] as const;

/** Plugs the card with this index into a guest without other cards. Throws MachineError. */
export async function plugTapCard(qmp: Qmp, index: number, { tap, mac, mtu }: TapCard): Promise<void> {
  const id = `tap${index}`;
  await qmp.execute("netdev_add", { type: "tap", id, ifname: tap, script: "no", downscript: "no" });
  await plug(qmp, device(id, index, { netdev: id, mac, host_mtu: mtu, romfile: "" }));
}

function device(id: string, index: number, properties: PluggedDevice["properties"]): PluggedDevice {
  const port = PORTS[index];
  const bus = port === undefined ? {} : portOf(qemuArchitecture() === "x86_64" ? "q35" : "virt", port);
  return { id: `${id}-card`, driver: "virtio-net-pci", properties: { ...properties, ...bus } };
}
