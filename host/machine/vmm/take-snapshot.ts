import { reason } from "../../../lib/reason.ts";
import type { guestd } from "../../../proto/gen/messages.js";
import { MachineError } from "../machine-error.ts";
import { type GuestCallOptions, quiesce, resumed } from "./guest-calls.ts";
import type { MachineControl } from "./machine-control.ts";
import { type BootPaths, bootFiles, type VmmManifest, writeManifest } from "./snapshot-manifest.ts";

export interface SnapshotOptions extends GuestCallOptions {
  /** The agent's address, such as "hvsock:///run/vm/v.sock:1024". */
  readonly address: string;
  /** Empty folder of its own. The caller removes it if the call fails. */
  readonly folder: string;
  /** Path of that folder for a VMM in a jail. */
  readonly vmmFolder?: string;
  /** Files that must not change as long as clones are made. */
  readonly boot?: BootPaths;
  /** Freezes all containers until the guest continues. */
  readonly freezeContainers?: boolean;
  /** Throws to refuse a snapshot that would lose something; by default every loss is accepted. */
  readonly check?: (losses: readonly guestd.v1.SnapshotLoss[]) => void;
  /** Copies the guest's writable disks, which must be of the same moment: called before the machine continues. */
  readonly copyDisks?: () => Promise<void>;
}

export interface TakenSnapshot {
  readonly manifest: VmmManifest;
  readonly losses: readonly guestd.v1.SnapshotLoss[];
}

/**
 * Takes a snapshot of a guest, which continues afterwards, also if a step fails or the signal aborts. Rejects with the
 * first failure, and with what is left if the guest can't continue.
 */
export async function takeSnapshot(machine: MachineControl, options: SnapshotOptions): Promise<TakenSnapshot> {
  const { address, folder, vmmFolder = folder, freezeContainers = false, check, copyDisks, signal } = options;
  const vmm = await machine.vmm();
  const boot = await bootFiles(options.boot ?? {});
  const { epoch, losses } = await quiesce(address, { freeze_containers: freezeContainers }, options);
  const pauseAndWrite = async () => {
    check?.(losses);
    signal?.throwIfAborted();
    await machine.pause();
    const write = async () => {
      await machine.snapshot(vmmFolder);
      await copyDisks?.();
    };
    await followed(write, () => machine.resume(), "the machine stays paused");
  };
  const { signal: _, ...limits } = options;
  const unquiesce = async () => void (await resumed(address, () => ({ epoch }), limits));
  await followed(pauseAndWrite, unquiesce, "the guest refuses new containers until Resumed arrives");
  return { manifest: await writeManifest(folder, { epoch, vmm, ...boot }), losses };
}

/** Runs `after` even if `work` fails. `consequence` says what it means that `after` fails. */
async function followed(work: () => Promise<void>, after: () => Promise<void>, consequence: string): Promise<void> {
  let failed: { readonly error: unknown } | undefined;
  try {
    await work();
  } catch (error) {
    failed = { error };
  }
  try {
    await after();
  } catch (error) {
    const first = failed === undefined ? "" : `${reason(failed.error)}; and `;
    throw new MachineError(`${first}${consequence}: ${reason(error)}`, { cause: failed?.error ?? error });
  }
  if (failed !== undefined) throw failed.error;
}
