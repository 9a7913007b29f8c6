import { randomInt } from "node:crypto";
import { existsSync, renameSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { waitUntilAnswering } from "./answering-guest.ts";
import { CAP_DAC_OVERRIDE } from "./capabilities.ts";
import { Child, type ChildRecord } from "./child.ts";
import { type GuestPlace, OPEN_FILES } from "./guest-place.ts";
import { waitUntilListening } from "./listening-socket.ts";
import { MachineError } from "./machine-error.ts";
import { channelProgram } from "./paths.ts";
import { polledQueues } from "./polled-queues.ts";
import { findVhostDeviceVsock, hasVhostDeviceVsock } from "./programs.ts";
import type { Qmp } from "./qmp.ts";

/**
 * How the host reaches the guest: by the vsock device of its kernel or of vhost-device-vsock, or over virtio-serial, by
 * a program of ours (docs/channel.md).
 */
export const VSOCK_KINDS = ["vhost", "vhost-user", "serial"] as const;
export type VsockKind = (typeof VSOCK_KINDS)[number];

/** Backend of the guest's device: the host kernel's, by context id, or a unix socket that a program serves. */
export type VsockBackend =
  | { readonly kind: "vhost"; readonly cid: number }
  | { readonly kind: "vhost-user" | "serial"; readonly socket: string; readonly path: string };

/** The host's end of a guest's vsock device, or of the channel in place of one. Its owner closes it after QEMU. */
export interface VsockDevice {
  readonly backend: VsockBackend;
  /**
   * Returns the address of a port: `vsock://<cid>:<port>`, or `hvsock://<path>:<port>` (hybrid: CONNECT line first).
   */
  address(port: number): string;
  /** The device's program, if any. */
  readonly program: Child | undefined;
  /** Resolves once QEMU can connect to the program. */
  readonly listening: Promise<void>;
  /** Makes the address unreachable until `ready`: a connection would end the program's thread for good. */
  hide(): void;
  /**
   * Resolves once a device that was plugged into a running guest accepts connections. Makes a hidden address reachable as
   * soon as the program has the guest's queues.
   */
  ready(qmp: Qmp, signal: AbortSignal): Promise<void>;
}

/**
 * The guest's context id behind a device program, where it need not be unique. 0 to 2 are reserved: hypervisor,
 * loopback, host.
 */
const PRIVATE_CID = 3;
/** Bytes that the guest may send before a client on the host reads, for each connection. The device's 64 KiB is two writes. */
const BUFFER_BYTES = 262_144;
/** Queues that a connection needs: to the guest, and from it. */
const QUEUES = [0, 1];
const POLL_MS = 3;

/** Variable that chooses the kind. */
const VARIABLE = "GUESTD_VSOCK";

/** Returns the kind to use on this machine: the wanted one, that of the environment, or the first that is present. */
export async function chooseVsock(wanted?: VsockKind): Promise<VsockKind> {
  if (wanted !== undefined) return wanted;
  const given = process.env[VARIABLE] ?? "";
  if (given !== "") {
    const known = VSOCK_KINDS.find((kind) => kind === given);
    if (known !== undefined) return known;
    throw new MachineError(`${VARIABLE}=${given}: no such kind; use ${VSOCK_KINDS.join(", ")}`);
  }
  if (await vhostVsockUsable()) return "vhost";
  return hasVhostDeviceVsock() ? "vhost-user" : "serial";
}

/** Starts the device, with its sockets in the guest's directory. The caller ends its program if `listening` rejects. */
export function startVsockDevice(kind: VsockKind, { directory, cgroup }: GuestPlace, signal: AbortSignal): VsockDevice {
  if (kind === "vhost") return deviceOf({ kind, cid: randomCid() });
  const backend = { kind, socket: join(directory, "vhost.sock"), path: join(directory, "vm.vsock") };
  const options = { place: join(directory, "vsock"), cgroup, files: OPEN_FILES, capabilities: [CAP_DAC_OVERRIDE] };
  const program =
    kind === "serial"
      ? Child.start("the channel to the guest", channelCommand(backend), options)
      : Child.start("vhost-device-vsock", deviceCommand(backend), options);
  const listening = waitUntilListening(program, backend.socket, signal);
  listening.catch(() => undefined); // for the caller, who may await it later
  return deviceOf(backend, program, listening);
}

/** Returns the device of a guest that another process has started. */
export function findVsockDevice(backend: VsockBackend, program: ChildRecord | undefined): VsockDevice {
  return deviceOf(backend, program && Child.find(program));
}

function deviceOf(backend: VsockBackend, program?: Child, listening = Promise.resolve()): VsockDevice {
  const place = backend.kind === "vhost" ? `vsock://${backend.cid}` : `hvsock://${backend.path}`;
  const address = (port: number) => `${place}:${port}`;
  const parts = { backend, address, program, listening };
  if (backend.kind === "vhost") {
    const ready = async (qmp: Qmp, signal: AbortSignal) => {
      await waitFor(() => isDriverReady(qmp), signal);
      await waitUntilAnswering(address, signal);
    };
    return { ...parts, hide: () => undefined, ready };
  }
  // Clients of the channel may connect at any time: they wait until the guest's end is there.
  if (backend.kind === "serial") {
    return { ...parts, hide: () => undefined, ready: (_qmp, until) => waitUntilAnswering(address, until) };
  }
  const { path } = backend;
  const hidden = `${path}-hidden`;
  return {
    ...parts,
    hide: () => renameSync(path, hidden),
    ready: async (_qmp, until) => {
      await waitFor(async () => QUEUES.every((queue) => polledQueues(program?.pid ?? 0).has(queue)), until);
      if (existsSync(hidden)) renameSync(hidden, path);
      await waitUntilAnswering(address, until);
    },
  };
}

type SocketBackend = Exclude<VsockBackend, { readonly kind: "vhost" }>;

function channelCommand({ path, socket }: SocketBackend): readonly string[] {
  return [process.execPath, channelProgram(), path, socket];
}

function deviceCommand({ path, socket }: SocketBackend): readonly string[] {
  const vm = `guest-cid=${PRIVATE_CID},socket=${socket},uds-path=${path},tx-buffer-size=${BUFFER_BYTES}`;
  return [findVhostDeviceVsock(), "--vm", vm];
}

async function isDriverReady(qmp: Qmp): Promise<boolean> {
  const status = await qmp.execute("x-query-virtio-status", { path: "/machine/peripheral/vsock/virtio-backend" });
  return JSON.stringify(status).includes("DRIVER_OK");
}

async function waitFor(condition: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!(await condition())) {
    signal.throwIfAborted();
    await delay(POLL_MS);
  }
}

/** True if this user (root, or the group of /dev/vhost-vsock) can use the host kernel's vsock. */
export async function vhostVsockUsable(): Promise<boolean> {
  try {
    await using _device = await open("/dev/vhost-vsock", "r+");
    return true;
  } catch {
    return false;
  }
}

/** True for QEMU's message that another guest has the context id; the caller then retries with another. */
export function isCidTaken(message: string): boolean {
  return /unable to set guest cid.*(address already in use|EADDRINUSE)/i.test(message);
}

/** Returns a random id, since unrelated programs start guests; the caller retries if it is in use. */
function randomCid(): number {
  return randomInt(1024, 2 ** 31);
}
