import { randomBytes } from "node:crypto";
import type { Init } from "../../../proto/codec.ts";
import type { guestd } from "../../../proto/gen/messages.js";
import { AGENT_REPLACEMENTS } from "../../client/edge/values.ts";
import { MachineError } from "../machine-error.ts";
import { type GuestCallOptions, resumed } from "./guest-calls.ts";
import type { MachineControl } from "./machine-control.ts";
import { checkedManifest } from "./snapshot-manifest.ts";

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
  /** Path of that folder for a VMM in a jail. */
  readonly vmmFolder?: string;
  /** Higher than the snapshot's. */
  readonly epoch: number;
  readonly identity?: CloneIdentity;
}

/**
 * Starts a clone: loads the snapshot, continues the machine and calls Resumed with entropy, time and identity. Nothing is
 * loaded if the snapshot doesn't fit this machine. A clone that fails later must be destroyed, not used.
 */
export async function startClone(
  machine: MachineControl,
  { address, folder, vmmFolder = folder, epoch, identity = {}, ...options }: CloneOptions,
): Promise<guestd.v1.ResumedResponse> {
  const manifest = await checkedManifest(folder);
  if (!Number.isSafeInteger(epoch) || epoch <= manifest.epoch) {
    throw new MachineError(
      `clone of ${folder}: epoch ${epoch} is not above the snapshot's ${manifest.epoch}; count up`,
    );
  }
  const { name, version } = await machine.vmm();
  if (name !== manifest.vmm.name || version !== manifest.vmm.version) {
    const wrote = `${manifest.vmm.name} ${manifest.vmm.version}`;
    throw new MachineError(
      `clone of ${folder}: ${wrote} wrote it, and this is ${name} ${version}; use the same version, or create it again`,
    );
  }
  // The connection is of ttRPC: it survives the replacement.
  const replacement = AGENT_REPLACEMENTS.WHEN_QUIET;
  await machine.restore(vmmFolder);
  await machine.resume();
  const request = () => ({ replacement, ...identity, epoch, entropy: randomBytes(ENTROPY_BYTES) });
  return resumed(address, request, options);
}
