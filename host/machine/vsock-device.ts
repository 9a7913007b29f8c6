import { randomInt } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { Child } from "./child.ts";
import { waitUntilListening } from "./listening-socket.ts";
import { findVhostDeviceVsock } from "./programs.ts";

/** How the guest's vsock is reached: the host kernel's by context id, or a unix socket that a device program serves. */
export type VsockBackend =
  | { readonly kind: "vhost"; readonly cid: number }
  | { readonly kind: "vhost-user"; readonly socket: string; readonly path: string };

/** A guest's vsock device on the host. Its owner closes it after QEMU. */
export interface VsockDevice {
  readonly backend: VsockBackend;
  /** Where the host dials a port: `vsock://<cid>:<port>`, or `hvsock://<path>:<port>` (hybrid: CONNECT line first). */
  address(port: number): string;
  /** Resolves, never rejects, when the device's program has ended; undefined where there is none. */
  readonly program: Child | undefined;
}

/** The guest's context id where it matters to nobody else. 0 to 2 are reserved: hypervisor, this machine, the host. */
const PRIVATE_CID = 3;

/** Starts the device in `directory`, where its sockets are made. */
export async function startVsockDevice(directory: string, signal: AbortSignal): Promise<VsockDevice> {
  if (await vhostVsockUsable()) return hostDevice(randomCid());
  const socket = join(directory, "vhost.sock");
  const path = join(directory, "vm.vsock");
  const vm = `guest-cid=${PRIVATE_CID},socket=${socket},uds-path=${path}`;
  const program = new Child("vhost-device-vsock", [findVhostDeviceVsock(), "--vm", vm]);
  try {
    await waitUntilListening(program, socket, signal);
  } catch (error) {
    await program.end(true);
    throw error;
  }
  return { backend: { kind: "vhost-user", socket, path }, address: (port) => `hvsock://${path}:${port}`, program };
}

function hostDevice(cid: number): VsockDevice {
  return { backend: { kind: "vhost", cid }, address: (port) => `vsock://${cid}:${port}`, program: undefined };
}

/** True when the host kernel gives vsock devices to this user: root, or the group of /dev/vhost-vsock. */
export async function vhostVsockUsable(): Promise<boolean> {
  try {
    await using _device = await open("/dev/vhost-vsock", "r+");
    return true;
  } catch {
    return false;
  }
}

/** QEMU's words when another guest has the context id; the caller takes another device. */
export function isCidTaken(message: string): boolean {
  return /unable to set guest cid.*(address already in use|EADDRINUSE)/i.test(message);
}

/** Guests are started by programs that do not know each other: a random id, and another one where it is taken. */
function randomCid(): number {
  return randomInt(1024, 2 ** 31);
}
