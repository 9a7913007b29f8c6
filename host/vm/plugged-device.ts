import type { Qmp } from "./qmp.ts";
import type { VsockBackend } from "./vsock-device.ts";

/** A device of QEMU, and the unix socket of the program behind it, if any. */
export interface PluggedDevice {
  readonly id: string;
  readonly driver: string;
  readonly properties: Readonly<Record<string, string | number>>;
  readonly backend?: { readonly id: string; readonly socket: string };
}

/** A share's tag and the socket of its virtiofsd. */
export interface SharePlace {
  readonly tag: string;
  readonly socket: string;
}

/** The part of a machine that decides where devices go. */
export interface Place {
  readonly type: "q35" | "microvm" | "virt";
  readonly pci?: boolean | undefined;
}

/**
 * Root ports of a q35 guest, in one slot of its bus. Each is for the one device that is unplugged before a snapshot and
 * plugged in after a restore. Network cards use two in turn: the guest may eject a card twice, and the second time would
 * remove a new one in the same port.
 */
export const PORTS = { vsock: "vsock-port", share: "share-port", card: "card-port", spare: "spare-port" } as const;
const PORTS_SLOT = 0x1c;
/** Chassis numbers are unique in a guest; lower ones belong to the ports of `hotplug`. */
const FIRST_CHASSIS = 0x14;

/** Returns QEMU's arguments for the ports, if the machine type has them. */
export function portArguments(type: Place["type"]): string[] {
  if (type !== "q35") return [];
  return Object.values(PORTS).flatMap((id, index) => {
    const address = `bus=pcie.0,addr=0x${PORTS_SLOT.toString(16)}.${index},multifunction=on`;
    return ["-device", `pcie-root-port,id=${id},chassis=${FIRST_CHASSIS + index},${address}`];
  });
}

/** Name of the channel's port, which the guest's kernel command line repeats. */
export const CHANNEL_NAME = "guestd.channel";
const CHANNEL_BUS = "channel";

/** Returns the device that has the channel's port. It stays when the port is unplugged. */
export function channelBus({ type, pci }: Place): PluggedDevice {
  const driver = `virtio-serial-${pci === false ? "device" : "pci"}`;
  return { id: CHANNEL_BUS, driver, properties: { max_ports: 2, ...portOf(type, "vsock") } };
}

export function vsockDevice(vsock: VsockBackend, { type, pci }: Place): PluggedDevice {
  const bus = pci === false ? "device" : "pci";
  if (vsock.kind === "serial") {
    const backend = { id: "vsock-socket", socket: vsock.socket };
    const properties = { chardev: backend.id, name: CHANNEL_NAME, bus: `${CHANNEL_BUS}.0`, nr: 1 };
    return { id: "vsock", driver: "virtserialport", properties, backend };
  }
  const port = portOf(type, "vsock");
  if (vsock.kind === "vhost")
    return { id: "vsock", driver: `vhost-vsock-${bus}`, properties: { "guest-cid": vsock.cid, ...port } };
  const backend = { id: "vsock-socket", socket: vsock.socket };
  return { id: "vsock", driver: `vhost-user-vsock-${bus}`, properties: { chardev: backend.id, ...port }, backend };
}

/** Returns the device of a share. Only the first one has a port. */
export function shareDevice({ tag, socket }: SharePlace, index: number, { type }: Place): PluggedDevice {
  const backend = { id: `fs${index}-socket`, socket };
  const port = index === 0 ? portOf(type, "share") : {};
  const properties = { chardev: backend.id, tag, "queue-size": 1024, ...port };
  return { id: `fs${index}`, driver: "vhost-user-fs-pci", properties, backend };
}

/** Returns the bus of the device for which a port exists. */
export function portOf(type: Place["type"], port: keyof typeof PORTS): { bus?: string } {
  return type === "q35" ? { bus: PORTS[port] } : {};
}

/** Returns QEMU's arguments for a device that is there from the start. */
export function deviceArguments({ id, driver, properties, backend }: PluggedDevice): string[] {
  const words = [driver, `id=${id}`, ...Object.entries(properties).map(([key, value]) => `${key}=${value}`)];
  const device = ["-device", words.map(doubleCommas).join(",")];
  if (backend === undefined) return device;
  return ["-chardev", `socket,id=${backend.id},path=${doubleCommas(backend.socket)}`, ...device];
}

/** Plugs a device into a guest. */
export async function plug(qmp: Qmp, { id, driver, properties, backend }: PluggedDevice): Promise<void> {
  if (backend !== undefined) {
    const addr = { type: "unix", data: { path: backend.socket } };
    const socket = { type: "socket", data: { addr, server: false } };
    await qmp.execute("chardev-add", { id: backend.id, backend: socket });
  }
  await qmp.execute("device_add", { driver, id, ...properties });
}

/** Removes what a process that was killed has left of a device that isn't plugged in. */
export async function removeBackend(qmp: Pick<Qmp, "execute">, id: string): Promise<void> {
  const found = (await qmp.execute("query-chardev")) as readonly { readonly label: string }[];
  if (found.some(({ label }) => label === id)) await qmp.execute("chardev-remove", { id });
}

/** Unplugs a device from a running guest, whose kernel has to agree, and disconnects the program behind it. */
export async function unplug(
  qmp: Pick<Qmp, "execute" | "event">,
  { id, backend }: Pick<PluggedDevice, "id" | "backend">,
): Promise<void> {
  await qmp.execute("device_del", { id });
  await qmp.event("DEVICE_DELETED", ({ device }) => device === id);
  if (backend !== undefined) await qmp.execute("chardev-remove", { id: backend.id });
}

/** Doubles commas, since a single one ends an option. */
export function doubleCommas(value: string): string {
  return value.replaceAll(",", ",,");
}
