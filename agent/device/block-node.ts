import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";
import { present, readNumbers, type Sysfs } from "./sysfs.ts";
import type { Uevent } from "./uevent.ts";

/** A device node of the guest. */
export interface DeviceNode {
  readonly path: string;
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
}

const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

/** Returns the node of a disk or partition once both sysfs and /dev have it. */
export function blockNode(sysfs: Sysfs, name: string): DeviceNode | undefined {
  const numbers = readNumbers(sysfs, `/sys/class/block/${name}/dev`);
  const path = `/dev/${name}`;
  return numbers === undefined || !sysfs.exists(path) ? undefined : { path, type: "b", ...numbers };
}

export function isNewDisk({ action, subsystem }: Uevent): boolean {
  return action === "add" && subsystem === "block";
}

export function presentDisks(sysfs: Sysfs): string {
  return present(sysfs, "disks", "/sys/block");
}

/** Returns the name in a path like /dev/vda. */
export function diskName(path: string): string {
  const name = path.startsWith("/dev/") ? path.slice("/dev/".length) : "";
  if (NAME.test(name)) return name;
  throw invalidArgument(`disk ${quoted(path)} is not /dev/NAME`);
}
