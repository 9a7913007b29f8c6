import { AgentError } from "../kernel/error.ts";
import { present, readNumbers, type Sysfs } from "./sysfs.ts";
import type { Uevent } from "./uevent.ts";

/** A device of the guest that has a node. */
export interface DeviceNode {
  readonly path: string;
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
}

const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

/** The disk or partition of a kernel name, when both sysfs and /dev have it. */
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

/** The name in a path like /dev/vda. */
export function diskName(path: string): string {
  const name = path.startsWith("/dev/") ? path.slice("/dev/".length) : "";
  if (NAME.test(name)) return name;
  throw new AgentError("invalid-argument", `disk ${JSON.stringify(path.slice(0, 100))} is not /dev/ and a name`);
}
