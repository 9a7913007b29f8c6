import { randomBytes } from "node:crypto";
import type { Init } from "../../../proto/codec.ts";
import type { guestd } from "../../../proto/gen/messages.js";
import { MachineError } from "../machine-error.ts";
import { type GuestCallOptions, resumed } from "./guest-calls.ts";
import type { MachineControl } from "./machine-control.ts";
import type { SnapshotOrigin } from "./take-snapshot.ts";

const ENTROPY_BYTES = 64;

/** Identity of a clone: hostname, machine-id, network and DNS. Empty fields stay as the snapshot has them. */
export type CloneIdentity = Omit<
  Init<guestd.v1.ResumedRequest>,
  "epoch" | "entropy" | "realtime_seconds" | "realtime_nanos"
>;

export interface CloneOptions extends GuestCallOptions {
  /** Address of the clone's agent. */
  readonly address: string;
  /** The snapshot's folder. */
  readonly folder: string;
  readonly origin: SnapshotOrigin;
  /** Higher than the snapshot's. */
  readonly epoch: number;
  readonly identity?: CloneIdentity;
}

/**
 * Starts a clone: loads the snapshot, continues the machine and calls Resumed with entropy, time and identity. A clone
 * that this rejects for must be destroyed, not used.
 */
export async function startClone(
  machine: MachineControl,
  { address, folder, origin, epoch, identity = {}, ...options }: CloneOptions,
): Promise<guestd.v1.ResumedResponse> {
  if (!Number.isSafeInteger(epoch) || epoch <= origin.epoch) {
    throw new MachineError(`clone of ${folder}: epoch ${epoch} is not above the snapshot's ${origin.epoch}; count up`);
  }
  const { name, version } = await machine.vmm();
  if (name !== origin.vmm.name || version !== origin.vmm.version) {
    const wrote = `${origin.vmm.name} ${origin.vmm.version}`;
    throw new MachineError(
      `clone of ${folder}: ${wrote} wrote it, and this is ${name} ${version}; use the same version, or take it again`,
    );
  }
  await machine.restore(folder);
  await machine.resume();
  const request = () => ({ ...identity, epoch, entropy: randomBytes(ENTROPY_BYTES) });
  return resumed(address, request, options);
}
