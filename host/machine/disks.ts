import { MachineError } from "./machine-error.ts";
import { diskId, diskWords, filesOfDisks, freePlace, plugDisk, pluggedDisks } from "./plugged-disks.ts";
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
const KIND = "disk";

const portName = (port: number) => `diskport${port}`;

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
  const words = disks.map((disk, index) => {
    const port = disk.port ?? index;
    return diskWords(blockNode(disk, port), device(disk, port));
  });
  return [...ports, ...words].flat();
}

/**
 * Plugs a disk into a running guest with `diskArguments` and returns its place. Does nothing for a disk that the guest
 * has already. The disk stays until the guest ends. QEMU serves one connection at a time, so other processes wait
 * meanwhile. Throws MachineError.
 */
export async function attachDisk(qmp: Pick<Qmp, "execute">, guest: string, disk: SharedDisk): Promise<string> {
  const plugged = await pluggedDisks(qmp, KIND);
  const known = plugged.find(({ serial }) => serial === disk.serial);
  if (known !== undefined) return pciPath(known.place);
  const port = freePlace(plugged, PORTS);
  if (port === undefined) throw new MachineError(tooMany(`guest ${guest}`));
  await plugDisk(qmp, blockNode(disk, port), device(disk, port));
  return pciPath(port);
}

/** Returns the shared disks that a guest has at this moment. */
export async function sharedDisks(qmp: Pick<Qmp, "execute">): Promise<readonly PluggedDisk[]> {
  return (await filesOfDisks(qmp, KIND)).map(({ place, ...disk }) => ({ port: place, ...disk }));
}

function blockNode(disk: SharedDisk, port: number) {
  const file = { driver: "file", filename: disk.file };
  return { driver: "raw", "node-name": diskId(KIND, { place: port, ...disk }), "read-only": true, file };
}

function device(disk: SharedDisk, port: number) {
  const name = diskId(KIND, { place: port, ...disk });
  return { id: name, drive: name, bus: portName(port), serial: disk.serial };
}

function tooMany(guest: string): string {
  return `${guest}: it can have ${PORTS} images on disks, and has them; use another guest`;
}
