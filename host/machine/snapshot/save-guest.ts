import { join } from "node:path";
import type { Machine } from "../guest-options.ts";
import { type GuestProcesses, startShare } from "../guest-processes.ts";
import { MachineError } from "../machine-error.ts";
import { plug, shareDevice, unplug, vsockDevice } from "../plugged-device.ts";
import type { Qmp } from "../qmp.ts";
import type { Manifest } from "./manifest.ts";
import { driverReady } from "./restore-guest.ts";
import { type SnapshotFacts, saveSnapshot } from "./save-snapshot.ts";

export interface SaveOptions {
  /** True to destroy the guest afterwards. */
  readonly end?: boolean;
  /** Cancels the save; the guest continues, unless `end` is set. */
  readonly signal?: AbortSignal;
}

/** Time limit in milliseconds for the guest's drivers, after it continues. */
const DRIVER_MS = 30_000;

/**
 * Unplugs the devices that can't be in a snapshot, saves it and, unless the guest ends, plugs them in again and lets
 * the guest continue.
 */
export async function saveProcesses(
  directory: string,
  processes: GuestProcesses,
  machine: Machine,
  qmp: Qmp,
  facts: SnapshotFacts,
  { end = false, signal }: SaveOptions,
): Promise<Manifest> {
  const pid = processes.qemu.pid;
  if (pid === undefined) throw new MachineError(`save ${directory}: the guest has ended`);
  if (machine.type !== "q35") throw new MachineError(`save ${directory}: its guest is a ${machine.type}; use q35`);
  const { shares, vsock } = processes;
  if (shares.length > 1) throw new MachineError(`save ${directory}: its guest has ${shares.length} shares; use one`);
  await using again = new AsyncDisposableStack();
  if (!end) {
    again.defer(async () => {
      await qmp.execute("cont");
      await driverReady(qmp, AbortSignal.timeout(DRIVER_MS));
    });
  }
  const share = shares[0];
  if (share !== undefined) {
    await unplug(qmp, shareDevice(share.place, 0, machine));
    await processes.removeShare(share);
    if (!end) {
      again.defer(async () => {
        const started = await startShare(processes.directory, share.share, 0, AbortSignal.timeout(DRIVER_MS));
        processes.addShare(started);
        await plug(qmp, shareDevice(started.place, 0, machine));
      });
    }
  }
  if (vsock.backend.kind === "vhost-user") {
    const device = vsockDevice(vsock.backend, machine);
    await unplug(qmp, device);
    if (!end) again.defer(() => plug(qmp, device));
  }
  const socket = join(processes.directory, "state.sock");
  return await saveSnapshot(directory, { machine, vsock: vsock.backend.kind, pid, qmp, socket }, facts, signal);
}
