import { MachineError } from "./machine-error.ts";
import type { Qmp } from "./qmp.ts";

/** A read-only disk that several guests can have at the same time. */
export interface SharedDisk {
  /** Absolute path of a file that no process changes. */
  readonly file: string;
  /** Names the disk among those of a guest: at most 20 letters and digits. */
  readonly serial: string;
}

/** A disk with the number of the port that it has in a guest. */
export interface PluggedDisk extends SharedDisk {
  readonly port: number;
}

/** Ports for one disk each: the functions of one slot, after those of `GuestOptions.hotplug`. */
const PORTS = 8;
const SLOT = "18";
const CHASSIS = 32;
/** Ids of devices; QEMU can list them. */
const DEVICE = /^disk(\d)-(\w+)$/;

const portName = (port: number) => `diskport${port}`;
const deviceName = (port: number, { serial }: Pick<SharedDisk, "serial">) => `disk${port}-${serial}`;

/** Returns the place of a port's disk in the guest, as storages of the agent name it. */
function pciPath(port: number): string {
  return `${SLOT}.${port}/00`;
}

/**
 * Returns QEMU's arguments for a guest that can have shared disks, with those that it has from its start: at the first
 * ports, unless they name theirs.
 */
export function diskArguments(disks: readonly (SharedDisk & { readonly port?: number })[]): readonly string[] {
  if (disks.length > PORTS) throw new MachineError(tooMany("a guest"));
  const ports = Array.from({ length: PORTS }, (_, port) => {
    const place = `chassis=${CHASSIS + port},bus=pcie.0,addr=0x${SLOT}.${port},multifunction=on`;
    // Disks need no I/O ports, of which a machine has few.
    return ["-device", `pcie-root-port,id=${portName(port)},${place},io-reserve=0`];
  });
  const devices = disks.map((disk, index) => [disk, disk.port ?? index] as const);
  const words = devices.map(([disk, port]) => [
    ...["-blockdev", JSON.stringify(blockNode(disk, port))],
    ...["-device", JSON.stringify({ driver: "virtio-blk-pci", ...device(disk, port) })],
  ]);
  return [...ports, ...words].flat();
}

/**
 * Plugs a disk into a running guest with `diskArguments` and returns its place. Does nothing for a disk that the guest
 * has already. The disk stays until the guest ends. QEMU serves one connection at a time, so other processes wait
 * meanwhile. Throws MachineError.
 */
export async function attachDisk(qmp: Pick<Qmp, "execute">, guest: string, disk: SharedDisk): Promise<string> {
  const plugged = await pluggedDisks(qmp);
  const known = plugged.find(({ serial }) => serial === disk.serial);
  if (known !== undefined) return pciPath(known.port);
  const port = Array.from({ length: PORTS }, (_, each) => each).find(
    (each) => !plugged.some((one) => one.port === each),
  );
  if (port === undefined) throw new MachineError(tooMany(`guest ${guest}`));
  const node = blockNode(disk, port);
  await qmp.execute("blockdev-add", node);
  try {
    await qmp.execute("device_add", { driver: "virtio-blk-pci", ...device(disk, port) });
  } catch (error) {
    await qmp.execute("blockdev-del", { "node-name": node["node-name"] }).catch(() => undefined);
    throw error;
  }
  return pciPath(port);
}

/** Returns the ports in use with their disks. */
async function pluggedDisks(
  qmp: Pick<Qmp, "execute">,
): Promise<readonly { readonly port: number; readonly serial: string }[]> {
  const found = (await qmp.execute("qom-list", { path: "/machine/peripheral" })) as readonly {
    readonly name: string;
  }[];
  return found.flatMap(({ name }) => {
    const [, port, serial] = DEVICE.exec(name) ?? [];
    return port === undefined || serial === undefined ? [] : [{ port: Number(port), serial }];
  });
}

/** Returns the shared disks that a guest has at this moment. */
export async function sharedDisks(qmp: Pick<Qmp, "execute">): Promise<readonly PluggedDisk[]> {
  const nodes = (await qmp.execute("query-named-block-nodes", { flat: true })) as readonly Readonly<
    Record<string, unknown>
  >[];
  const plugged = await pluggedDisks(qmp);
  return plugged.map(({ port, serial }) => {
    const node = nodes.find((each) => each["node-name"] === deviceName(port, { serial }));
    return { port, serial, file: String(node?.["file"]) };
  });
}

function blockNode(disk: SharedDisk, port: number) {
  const file = { driver: "file", filename: disk.file };
  return { driver: "raw", "node-name": deviceName(port, disk), "read-only": true, file };
}

function device(disk: SharedDisk, port: number) {
  const name = deviceName(port, disk);
  return { id: name, drive: name, bus: portName(port), serial: disk.serial };
}

function tooMany(guest: string): string {
  return `${guest}: it can have ${PORTS} images on disks, and has them; use another guest`;
}
