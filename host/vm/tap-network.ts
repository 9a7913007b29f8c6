import { randomBytes } from "node:crypto";
import { access, constants, readFile } from "node:fs/promises";
import { isRoot } from "../../lib/is-root.ts";
import { CAP_NET_ADMIN } from "./capabilities.ts";
import { MachineError } from "./machine-error.ts";
import { findProgram } from "./programs.ts";

/** Hardware address of every guest's card: each is alone on its link. */
export const TAP_MAC = "02:00:0a:d5:00:02";

const INSTEAD = "or use the user network";

/** Returns a name for a guest's network device on the host; the kernel allows 15 bytes. */
export function tapName(): string {
  return `guestd${randomBytes(4).toString("hex")}`;
}

/**
 * Returns QEMU's arguments for a network card whose other end is a new network device of the host. The kernel removes the
 * device with its addresses and routes when QEMU ends, however it ends.
 */
export function tapArguments(name: string): readonly string[] {
  const card = `virtio-net-pci,netdev=tap,mac=${TAP_MAC},romfile=`;
  return ["-netdev", `tap,id=tap,ifname=${name},script=no,downscript=no`, "-device", card];
}

/** Rejects with one line if this process can't create network devices. */
export async function checkTap(): Promise<void> {
  if (!mayConfigure(await readFile("/proc/self/status", "utf8"), isRoot())) {
    const why = "permission denied: a network device requires CAP_NET_ADMIN";
    throw new MachineError(`network tap: ${why}; run as root, ${INSTEAD}`, { kind: "permission-denied" });
  }
  await access("/dev/net/tun", constants.R_OK | constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    throw new MachineError(`network tap: /dev/net/tun: ${error.code}; modprobe tun, ${INSTEAD}`, { cause: error });
  });
  ipProgram();
}

/** Returns the path of iproute2's `ip`. Throws MachineError. */
export function ipProgram(): string {
  const path = findProgram("ip");
  if (path === undefined)
    throw new MachineError(`network tap: ip is not installed; install iproute2, ${INSTEAD}`, { kind: "not-installed" });
  return path;
}

/**
 * True if programs that a process starts have CAP_NET_ADMIN: root's get what its bounding set allows, those of other users the
 * ambient capabilities. `status` is its /proc/PID/status. Exported for its test.
 */
export function mayConfigure(status: string, root: boolean): boolean {
  const set = new RegExp(`^${root ? "CapBnd" : "CapAmb"}:\\s+([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0";
  return ((BigInt(`0x${set}`) >> BigInt(CAP_NET_ADMIN)) & 1n) === 1n;
}
