import type { Image } from "../../image/read-image.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import type { AgentClient } from "../client/agent-client.ts";
import { imageSpec, type RootfsPlace, type RunOptions } from "../image/image-config.ts";
import { openSandbox } from "../sandbox/open-sandbox.ts";
import { RESOLV_CONF_MOUNT } from "../sandbox/set-up-network.ts";
import {
  makeSharedFolder,
  openRootfs,
  openVolumes,
  removeContainer,
  rootfsPlace,
  type Volume,
} from "../sandbox/shared-folder.ts";
import { moveInVolumes, type RootfsSource, unpackRootfs } from "../sandbox/unpack-rootfs.ts";
import type { GuestRecord } from "../state/state-records.ts";
import type { StateStore } from "../state/state-store.ts";
import { causeOfDeath } from "./guest-death.ts";
import { connectTo, sharedFolderOf, type Target } from "./guest-target.ts";
import { bootKeptGuest, type KeptGuestOptions } from "./kept-guest.ts";

/** Everything a container needs before it can be created. Disposal releases all of it, after success or failure. */
export interface PreparedRun extends AsyncDisposable {
  readonly client: AgentClient;
  /** Address of the agent. */
  readonly target: Target;
  readonly rootfs: RootfsPlace;
  readonly config: Image["config"];
  /** Mounts that make up the container's root, unless it already exists. */
  readonly storages?: readonly Init<grpc.Storage>[];
  /** Mounts for the container's volumes. */
  readonly mounts?: readonly Init<grpc.Mount>[];
  /** True if the guest has a network and the sandbox a resolv.conf. */
  readonly network?: boolean;
  /** Name of the guest, if a guestctl keeps it. */
  readonly guest?: string;
  /** Aborted when the guest dies. */
  readonly died?: AbortSignal;
  /** Makes disposal keep the container's files; undefined if its guest ends with this guestctl. */
  leave?(): void;
  /** Releases the rest in order, once the container is removed. */
  end(): Promise<void>;
}

/** Stands for the guest's own root instead of an image. */
export const GUEST_ROOT = "the guest's root";

/** Host files that a container gets. */
export interface RunFiles {
  readonly image: RootfsSource | typeof GUEST_ROOT;
  readonly volumes: readonly Volume[];
}

/** Path that doesn't exist on the host; stands for a root file system that guestctl can't see. */
const NOWHERE = "/nonexistent";

/** Prepares a run in the container's own guest, booted while the image is unpacked; the guest powers off at the end. */
export async function prepareInOwnGuest(
  store: StateStore,
  container: string,
  { image, volumes }: RunFiles,
  { isAgain = false, ...options }: KeptGuestOptions & { readonly isAgain?: boolean },
): Promise<PreparedRun> {
  await using undo = new AsyncDisposableStack();
  if (isAgain) store.reclaim(options.name);
  else store.claim(options.name);
  let why: string | undefined;
  undo.defer(() => store.closeGuest(options.name, why));
  const folder = await makeSharedFolder();
  undo.defer(() => folder.remove());
  const own = image === GUEST_ROOT;
  const rootfs = own ? guestRootPlace(container) : rootfsPlace(folder.directory, container);
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const unpacking = own
    ? moveInVolumes(folder.directory, container, volumes).then(() => ({ config: {} }))
    : unpackRootfs(image, folder.directory, container, { volumes, signal });
  const booting = bootKeptGuest(store, { ...options, signal }, folder);
  for (const part of [unpacking, booting]) part.catch((error: unknown) => failed.abort(error));
  const [unpacked, booted] = await Promise.allSettled([unpacking, booting]);
  if (booted.status === "fulfilled") undo.defer(() => booted.value.guest[Symbol.asyncDispose]());
  if (failed.signal.aborted) throw failed.signal.reason;
  if (unpacked.status === "rejected") throw unpacked.reason;
  if (booted.status === "rejected") throw booted.reason;
  const { guest } = booted.value;
  guest.guest.signal.addEventListener("abort", () => {
    why = causeOfDeath(guest.guest.signal.reason);
  });
  if (!own) openRootfs(folder.directory, container);
  const mounts = openVolumes(folder.directory, container, volumes);
  const kept = undo.move();
  return {
    mounts,
    client: guest.client,
    target: { address: guest.address },
    rootfs,
    config: unpacked.value.config,
    ...(own ? guestRootStorages(rootfs) : {}),
    network: options.network !== undefined,
    guest: options.name,
    died: guest.guest.signal,
    end: () => guest.powerOff(),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Prepares a run in a running guest of ours: puts the rootfs into its shared folder and removes it at the end. */
export async function prepareInGuest(
  guest: GuestRecord,
  container: string,
  { image, volumes }: RunFiles,
  signal: AbortSignal,
): Promise<PreparedRun> {
  const directory = sharedFolderOf(guest);
  const remove = () => removeContainer(directory, container);
  const own = image === GUEST_ROOT;
  const rootfs = own ? guestRootPlace(container) : rootfsPlace(directory, container);
  const { config } = own
    ? await moveInVolumes(directory, container, volumes).then(() => ({ config: {} }))
    : await unpackRootfs(image, directory, container, { volumes, signal });
  try {
    if (!own) openRootfs(directory, container);
    const mounts = openVolumes(directory, container, volumes);
    return await inRunningGuest({ guest, rootfs, config, remove, mounts, ...(own ? guestRootStorages(rootfs) : {}) });
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Prepares a run with a rootfs that the agent at an address already has. */
export async function prepareAtAddress(address: string, rootfs: string, hostname: string): Promise<PreparedRun> {
  const place = { host: NOWHERE, guest: rootfs };
  const prepared = await inRunningGuest({ address, rootfs: place, config: {}, remove: async () => undefined });
  try {
    await openSandbox(prepared.client, { id: hostname, hostname, shared: false });
    return prepared;
  } catch (error) {
    await prepared[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Prepares a run at an agent that runs on this machine, as a service: the root file system goes to a folder of its own,
 * which is removed at the end.
 */
export async function prepareOnThisMachine(
  address: string,
  container: string,
  source: RootfsSource,
  { hostname, signal }: { readonly hostname: string; readonly signal: AbortSignal },
): Promise<PreparedRun> {
  const folder = await makeSharedFolder();
  try {
    const { config } = await unpackRootfs(source, folder.directory, container, { signal });
    const { host } = rootfsPlace(folder.directory, container);
    const rootfs = { host, guest: host };
    const prepared = await inRunningGuest({ address, rootfs, config, remove: () => folder.remove() });
    await openSandbox(prepared.client, { id: hostname, hostname, shared: false });
    return prepared;
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

interface RunningParts extends Pick<PreparedRun, "rootfs" | "config" | "storages" | "mounts"> {
  readonly guest?: GuestRecord;
  /** Address of the agent, unless it is in one of our guests. */
  readonly address?: string;
  readonly remove: () => Promise<void>;
}

async function inRunningGuest({ guest, address = "", remove, ...rest }: RunningParts): Promise<PreparedRun> {
  const target = guest === undefined ? { address } : { address: guest.address, guest };
  const client = await connectTo(target);
  let isLeft = false;
  const leave = () => {
    isLeft = true;
  };
  const close = async () => {
    await client.close();
    if (!isLeft) await remove();
  };
  const name = guest === undefined ? {} : { guest: guest.name, network: guest.network !== undefined };
  return { ...rest, ...name, client, target, leave, end: close, [Symbol.asyncDispose]: close };
}

function guestRootPlace(container: string): RootfsPlace {
  return { host: NOWHERE, guest: `/run/kata-containers/${container}/rootfs` };
}

/** Returns an overlay of the guest's root with a writable layer in guest memory, removed with the container. */
function guestRootStorages({ guest }: RootfsPlace): Pick<PreparedRun, "storages"> {
  const options = ["lowerdir=/", "io.katacontainers.fs-opt.overlay-rw"];
  return { storages: [{ driver: "overlayfs", source: "none", fstype: "overlay", mount_point: guest, options }] };
}

/** Returns the container's spec. Leaves the rlimits of an agent we didn't boot unchanged, since it may run where ours can't be set. */
export function containerSpec(prepared: PreparedRun, options: RunOptions): Init<grpc.Spec> {
  const network = prepared.network ? [RESOLV_CONF_MOUNT] : [];
  const mounts = [...network, ...(prepared.mounts ?? []), ...(options.mounts ?? [])];
  const spec = imageSpec(prepared, prepared.rootfs, { ...options, mounts });
  if (prepared.guest !== undefined || options.rlimits !== undefined) return spec;
  return { ...spec, Process: { ...spec.Process, Rlimits: [] } };
}
