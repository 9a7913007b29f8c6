import { join } from "node:path";
import { sharedDisks } from "../disks.ts";
import type { Machine } from "../guest-options.ts";
import type { GuestProcesses } from "../guest-processes.ts";
import { MachineError } from "../machine-error.ts";
import type { Qmp } from "../qmp.ts";
import { detachGone, writableDisks } from "../writable-disks.ts";
import { DetachedDevices } from "./detached-devices.ts";
import type { Manifest } from "./manifest.ts";
import { type SnapshotFacts, saveSnapshot } from "./save-snapshot.ts";

export interface SaveOptions {
  /** True to destroy the guest once the snapshot is complete. */
  readonly end?: boolean;
  /** True to leave the disks that it writes where they are, for the guest that continues on them. */
  readonly keepsDisks?: boolean;
  /** True for a snapshot that is soon removed: it may be damaged if the host loses its power. */
  readonly isBrief?: boolean;
  /** Called once the snapshot is complete, before the guest continues or is destroyed. */
  readonly onComplete?: () => void;
  /** Cancels the save; the guest continues. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Unplugs the devices that can't be in a snapshot, saves it and, unless the guest ends, plugs them in again and lets
 * the guest continue, as it does if this fails.
 */
export async function saveProcesses(
  directory: string,
  processes: GuestProcesses,
  machine: Machine,
  qmp: Qmp,
  facts: SnapshotFacts,
  { end = false, keepsDisks = false, isBrief = false, onComplete, signal }: SaveOptions,
): Promise<Manifest> {
  const pid = processes.qemu.pid;
  if (pid === undefined) throw new MachineError(`save ${directory}: the guest has ended`);
  if (machine.type !== "q35") throw new MachineError(`save ${directory}: its guest is a ${machine.type}; use q35`);
  const { shares, vsock } = processes;
  if (shares.length > 1) throw new MachineError(`save ${directory}: its guest has ${shares.length} shares; use one`);
  const devices = new DetachedDevices(processes, machine);
  await using again = new AsyncDisposableStack();
  again.defer(() => devices.attach(qmp));
  await devices.detachShare(qmp);
  await devices.detachVsock(qmp);
  const socket = join(processes.directory, "state.sock");
  if (machine.disks !== undefined) await detachGone(qmp);
  const disks = machine.disks && { disks: await sharedDisks(qmp), writable: await writableDisks(qmp) };
  const present = { ...machine, ...disks };
  const saved = { machine: present, vsock: vsock.backend.kind, pid, qmp, socket, isDurable: !isBrief, keepsDisks };
  const manifest = await saveSnapshot(directory, saved, facts, signal);
  onComplete?.();
  if (end) again.move();
  return manifest;
}
