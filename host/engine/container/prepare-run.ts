import type { Image } from "../../../image/read-image.ts";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { type AgentClient, presentClient } from "../../client/agent-client.ts";
import { OperationError } from "../../operation-error.ts";
import { waitForUnlock } from "../../vm/wait-for-unlock.ts";
import { diskOf, plugBlockRoot, unplugLayer } from "../guest/block-storages.ts";
import { bootWhile, claimGuest, endOfGuest, type GuestClaim, type OwnGuestOptions } from "../guest/boot-while.ts";
import { guestRootStorage } from "../guest/guest-root.ts";
import { connectTo, controlOf, sharedFolderOf, type Target } from "../guest/guest-target.ts";
import { releaseGuest } from "../guest/kept-guest.ts";
import { openSandbox } from "../guest/open-sandbox.ts";
import type { SandboxGuest } from "../guest/sandbox-guest.ts";
import {
  makeSharedFolder,
  newDirectory,
  openRootfs,
  openVolumes,
  removeContainer,
  rootfsPlace,
  SHARE_STORAGE,
  type Volume,
} from "../guest/shared-folder.ts";
import { blockRootOf, knownBlockRoot } from "../image/disk/block-root.ts";
import { discardLayer, type Layer, type LayerRequest, LayerStore } from "../image/disk/layer-store.ts";
import { imageSpec, processSpec, type RootfsPlace, type RunOptions } from "../image/image-config.ts";
import { moveInVolumes, type RootfsSource, unpackRootfs } from "../image/unpack-rootfs.ts";
import type { GuestRecord } from "../record/state-records.ts";
import type { StateStore } from "../record/state-store.ts";
import { ownFiles } from "./own-files.ts";
import { checkRootfs, type RootfsKind, rootfsOf } from "./rootfs-kind.ts";

/** Everything a container needs before it can be created. Disposal releases all of it, after success or failure. */
export interface PreparedRun extends AsyncDisposable {
  readonly client: AgentClient;
  /** Address of the agent. */
  readonly target: Target;
  readonly rootfs: RootfsPlace;
  readonly config: Image["config"];
  /** Mounts that make up the container's root, unless it already exists. */
  readonly storages?: readonly Init<grpc.Storage>[];
  /** Folder of the disk that the container writes, for its record. */
  readonly layer?: string | undefined;
  /** Name of the directory with its files in the shared folder of a running guest. */
  readonly directory?: string;
  /** Mounts for the container's volumes. */
  readonly mounts?: readonly Init<grpc.Mount>[];
  /** True if the guest has a network and the sandbox a resolv.conf. */
  readonly network?: boolean;
  /** Name of the guest, if a guestctl keeps it. */
  readonly guest?: string;
  /** Aborted when the guest dies. */
  readonly died?: AbortSignal;
  /** Returns Suspended once the guest was saved, since when its address is another. */
  findSuspension?(): Error | undefined;
  /** Makes disposal keep the container's files; undefined if disposal ends its guest. */
  leave?(): void;
  /** Leaves the container, and a guest of its own, to another process. */
  handOver(): Promise<void>;
  /** Lets the container's own guest outlive this process; undefined if it doesn't. */
  readonly release?: (() => Promise<void>) | undefined;
  /** Resolves once the container's own guest isn't paused. */
  resumed?(): Promise<void>;
  /** Releases the rest in order, once the container is removed. */
  end(): Promise<void>;
}

/** Stands for the guest's own root instead of an image. */
export const GUEST_ROOT = "the guest's root";

/** Host files that a container gets. */
export interface RunFiles {
  readonly image: RootfsSource | typeof GUEST_ROOT;
  readonly volumes: readonly Volume[];
  /** Default: that of the running guest, otherwise disks. */
  readonly rootfs?: RootfsKind | undefined;
  /** With a root on a disk: the disk that it writes; without one it writes to the guest's memory. */
  readonly layer?: LayerRequest | undefined;
  /** The container's memory limit in bytes, which bounds what it writes to the guest's memory. */
  readonly memory?: number | undefined;
  /** The container's options, which are checked as soon as the image is there: before a guest is booted, or meanwhile. */
  readonly options?: RunOptions | undefined;
}

/** Throws ImageError if the image has no such user, or no command. */
function checkOptions({ options }: RunFiles, config: Image["config"], users: string): void {
  if (options !== undefined) processSpec(config, users, options);
}

/** Path that doesn't exist on the host; stands for a root file system that guestctl can't see. */
const NOWHERE = "/nonexistent";

/** Prepares a run in the container's own guest, booted while the image is unpacked; the guest powers off at the end. */
export async function prepareInOwnGuest(
  store: StateStore,
  container: string,
  files: RunFiles,
  options: OwnGuestOptions,
): Promise<PreparedRun> {
  await using undo = new AsyncDisposableStack();
  const claim = claimGuest(undo, store, options);
  const prepare = files.rootfs === "share" ? sharedFilesInOwnGuest : blockFilesInOwnGuest;
  const { guest, ...prepared } = await prepare(claim, container, files, options);
  const kept = undo.move();
  const ends = endOfGuest(store, options.name, guest, kept);
  return {
    ...prepared,
    client: presentClient(() => guest.client),
    target: { address: guest.address },
    network: options.network !== undefined,
    guest: options.name,
    died: guest.guest.signal,
    release: options.isEmbedded ? undefined : () => releaseGuest(store, options.name, guest, true),
    ...ends,
  };
}

async function sharedFilesInOwnGuest(
  claim: GuestClaim,
  container: string,
  wanted: RunFiles,
  options: OwnGuestOptions,
): Promise<RunParts & { readonly guest: SandboxGuest }> {
  const { image, volumes } = wanted;
  const folder = await makeSharedFolder();
  claim.undo.defer(() => folder.remove());
  const own = image === GUEST_ROOT;
  const rootfs = own ? guestRootPlace(container) : rootfsPlace(folder.directory, container);
  const unpack = async (signal: AbortSignal) => {
    if (own) {
      await moveInVolumes(folder.directory, container, volumes);
      return { config: {} };
    }
    const unpacked = await unpackRootfs(image, folder.directory, container, { volumes, signal });
    checkOptions(wanted, unpacked.config, rootfs.host);
    return unpacked;
  };
  const { guest, files } = await bootWhile(claim, options, unpack, folder);
  if (!own) openRootfs(folder.directory, container);
  const mounts = openVolumes(folder.directory, container, volumes);
  return { guest, mounts, rootfs, config: files.config, storages: storagesOf(rootfs, { image, volumes }) };
}

async function blockFilesInOwnGuest(
  claim: GuestClaim,
  container: string,
  wanted: RunFiles,
  options: OwnGuestOptions,
): Promise<RunParts & { readonly guest: SandboxGuest }> {
  const { image, volumes, memory: memoryLimit, layer: request } = wanted;
  const user = options.name;
  const folder = volumes.length === 0 ? undefined : await makeSharedFolder();
  claim.undo.defer(() => folder?.remove());
  if (folder !== undefined) await moveInVolumes(folder.directory, container, volumes);
  const layer = image === GUEST_ROOT ? undefined : await openLayer(request);
  claim.undo.defer(() => layer && discardLayer(layer));
  if (layer !== undefined) await waitForUnlock(layer.disk.file, options.signal);
  const known = image === GUEST_ROOT ? undefined : await knownBlockRoot(image, { user, signal: options.signal });
  claim.undo.use(known);
  if (known !== undefined) checkOptions(wanted, known.config, known.root.users);
  const make = async (signal: AbortSignal) => {
    if (image === GUEST_ROOT || known !== undefined) return known;
    const made = claim.undo.use(await blockRootOf(image, { user, signal }));
    checkOptions(wanted, made.config, made.root.users);
    return made;
  };
  // There from the start, so that the container does not wait until the guest has found a new disk.
  const disks = known === undefined ? [] : [diskOf(known.root)];
  const writable = layer === undefined ? [] : [layer.disk];
  const { guest, files: root } = await bootWhile(claim, { ...options, disks, writable }, make, folder);
  const mounts = folder === undefined ? [] : openVolumes(folder.directory, container, volumes);
  if (root === undefined) return { guest, ...withVolumes(guestRootParts(container), mounts) };
  await using qmp = await guest.guest.qmp();
  const parts = await plugBlockRoot(qmp, options.name, container, root, { layer, memoryLimit });
  return { guest, ...withVolumes(parts, mounts) };
}

async function openLayer(request: LayerRequest | undefined): Promise<Layer | undefined> {
  return request && (await new LayerStore().open(request));
}

/** Prepares a run in a running guest of ours: gives it the container's root, and removes that at the end. */
export async function prepareInGuest(
  guest: GuestRecord,
  container: string,
  files: RunFiles,
  signal: AbortSignal,
): Promise<PreparedRun> {
  const { image, volumes } = files;
  checkRootfs(guest, files.rootfs);
  if (rootfsOf(guest) === "block") return prepareBlockInGuest(guest, container, files, signal);
  const folder = sharedFolderOf(guest);
  const directory = newDirectory(container);
  const remove = () => removeContainer(folder, directory);
  const own = image === GUEST_ROOT;
  const rootfs = own ? guestRootPlace(container) : rootfsPlace(folder, directory);
  const { config } = own
    ? await moveInVolumes(folder, directory, volumes).then(() => ({ config: {} }))
    : await unpackRootfs(image, folder, directory, { volumes, signal });
  try {
    if (!own) openRootfs(folder, directory);
    const mounts = openVolumes(folder, directory, volumes);
    return await inRunningGuest({
      guest,
      signal,
      directory,
      rootfs,
      config,
      remove,
      mounts,
      storages: storagesOf(rootfs, { image, volumes }),
    });
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Plugs the disks into the guest: that of the image stays until the guest ends, the layer until the container does. */
async function prepareBlockInGuest(
  guest: GuestRecord,
  container: string,
  wanted: RunFiles,
  signal: AbortSignal,
): Promise<PreparedRun> {
  const { image, volumes, memory: memoryLimit, layer: request } = wanted;
  await using undo = new AsyncDisposableStack();
  const directory = newDirectory(container);
  const mounts = volumes.length === 0 ? [] : await volumesInGuest(guest, { container, directory }, volumes, undo);
  const parts = image === GUEST_ROOT ? guestRootParts(container) : await plugIn(image);
  const prepared = await inRunningGuest({
    guest,
    signal,
    directory,
    ...withVolumes(parts, mounts),
    remove: () => kept.disposeAsync(),
  });
  const kept = undo.move();
  return prepared;

  async function plugIn(source: RootfsSource): Promise<RunParts> {
    const root = undo.use(await blockRootOf(source, { user: guest.name, signal }));
    checkOptions(wanted, root.config, root.root.users);
    const layer = await openLayer(request);
    let isReached = false;
    undo.defer(async () => {
      if (layer === undefined) return;
      if (isReached) await unplugLayer(guest, layer.folder);
      await discardLayer(layer);
    });
    if (layer !== undefined) request?.onOpen?.(layer.folder);
    await using qmp = await controlOf(guest, signal);
    isReached = true;
    return await plugBlockRoot(qmp, guest.name, container, root, { layer, memoryLimit });
  }
}

/** Shows folders of the host to a running guest with a shared folder, until disposal. Throws OperationError. */
async function volumesInGuest(
  guest: GuestRecord,
  { container, directory }: { readonly container: string; readonly directory: string },
  volumes: readonly Volume[],
  undo: AsyncDisposableStack,
): Promise<readonly Init<grpc.Mount>[]> {
  if (guest.folder === undefined) {
    const why = `-v needs a shared folder, and guest ${guest.name} has none`;
    throw new OperationError(`container ${container}: ${why}; boot one with --rootfs share, or copy with guestctl cp`);
  }
  const folder = sharedFolderOf(guest);
  await moveInVolumes(folder, directory, volumes);
  undo.defer(() => removeContainer(folder, directory));
  return openVolumes(folder, directory, volumes);
}

/** Adds folders of the host to a container whose root isn't in the shared folder. */
function withVolumes(parts: RunParts, mounts: readonly Init<grpc.Mount>[]): RunParts {
  return mounts.length === 0 ? parts : { ...parts, mounts, storages: [SHARE_STORAGE, ...(parts.storages ?? [])] };
}

/** Prepares a run with a rootfs that the agent at an address already has. */
export async function prepareAtAddress(address: string, rootfs: string, sandbox: OpenedSandbox): Promise<PreparedRun> {
  const place = { host: NOWHERE, guest: rootfs };
  return inSandbox({ address, rootfs: place, config: {}, remove: async () => undefined }, sandbox);
}

/**
 * Prepares a run at an agent that runs on this machine, as a service: the root file system goes to a folder of its own,
 * which is removed at the end.
 */
export async function prepareOnThisMachine(
  address: string,
  container: string,
  source: RootfsSource,
  sandbox: OpenedSandbox,
): Promise<PreparedRun> {
  const folder = await makeSharedFolder();
  try {
    const { config } = await unpackRootfs(source, folder.directory, container, { signal: sandbox.signal });
    const { host } = rootfsPlace(folder.directory, container);
    const rootfs = { host, guest: host };
    return await inSandbox({ address, rootfs, config, remove: () => folder.remove() }, sandbox);
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

interface OpenedSandbox {
  readonly hostname: string;
  readonly signal: AbortSignal;
}

/** Connects to an agent that may have no sandbox yet. */
async function inSandbox(parts: RunningParts, { hostname, signal }: OpenedSandbox): Promise<PreparedRun> {
  const prepared = await inRunningGuest({ ...parts, signal });
  try {
    await openSandbox(prepared.client, { id: hostname, hostname, shared: false, signal });
    return prepared;
  } catch (error) {
    await prepared[Symbol.asyncDispose]();
    throw error;
  }
}

/** Where a container's root is. */
type RunParts = Pick<PreparedRun, "rootfs" | "config" | "storages" | "mounts" | "layer" | "directory">;

interface RunningParts extends RunParts {
  readonly guest?: GuestRecord;
  /** Address of the agent, unless it is in one of our guests. */
  readonly address?: string;
  readonly remove: () => Promise<void>;
}

/** Connects to the guest of a container, which has its root there until `remove`. */
export async function inRunningGuest({
  guest,
  address = "",
  signal,
  remove,
  ...rest
}: RunningParts & { readonly signal: AbortSignal }): Promise<PreparedRun> {
  const target = guest === undefined ? { address } : { address: guest.address, guest };
  const client = await connectTo(target, { signal });
  let isLeft = false;
  const leave = () => {
    isLeft = true;
  };
  const close = async () => {
    await client.close();
    if (!isLeft) await remove();
  };
  const name = guest === undefined ? {} : { guest: guest.name, network: guest.network !== undefined };
  const handOver = async () => leave();
  return { ...rest, ...name, client, target, leave, handOver, end: close, [Symbol.asyncDispose]: close };
}

function guestRootPlace(container: string): RootfsPlace {
  return { host: NOWHERE, guest: `/run/kata-containers/${container}/rootfs` };
}

function guestRootParts(container: string): RunParts {
  const rootfs = guestRootPlace(container);
  return { rootfs, config: {}, storages: [guestRootStorage(rootfs.guest)] };
}

/** Returns what the agent mounts for a container: the share if it has files there, and its root if that is the guest's own. */
function storagesOf(rootfs: RootfsPlace, { image, volumes }: RunFiles): readonly Init<grpc.Storage>[] {
  if (image !== GUEST_ROOT) return [SHARE_STORAGE];
  return [...(volumes.length > 0 ? [SHARE_STORAGE] : []), guestRootStorage(rootfs.guest)];
}

/**
 * Returns the container's spec and storages. Leaves the rlimits of an agent we didn't boot unchanged, since it may run where
 * ours can't be set.
 */
export function containerRequest(
  container: string,
  prepared: Pick<PreparedRun, "rootfs" | "config" | "storages" | "mounts" | "network" | "guest">,
  options: RunOptions,
): { readonly OCI: Init<grpc.Spec>; readonly storages: readonly Init<grpc.Storage>[] } {
  const own = ownFiles(container, prepared, options);
  const mounts = [...own.mounts, ...(prepared.mounts ?? []), ...(options.mounts ?? [])];
  const storages = [...(prepared.storages ?? []), ...own.storages];
  const spec = imageSpec(prepared, prepared.rootfs, { ...options, mounts });
  if (prepared.guest !== undefined || options.rlimits !== undefined) return { OCI: spec, storages };
  return { OCI: { ...spec, Process: { ...spec.Process, Rlimits: [] } }, storages };
}
