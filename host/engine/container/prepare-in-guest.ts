import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { OperationError } from "../../operation-error.ts";
import { plugBlockRoot, unplugLayer } from "../guest/block-storages.ts";
import { connectTo, controlOf, sharedFolderOf } from "../guest/guest-target.ts";
import {
  newDirectory,
  openRootfs,
  openVolumes,
  removeContainer,
  rootfsPlace,
  type Volume,
} from "../guest/shared-folder.ts";
import { blockRootOf } from "../image/disk/block-root.ts";
import { discardLayer } from "../image/disk/layer-store.ts";
import { moveInVolumes, type RootfsSource, unpackRootfs } from "../image/unpack-rootfs.ts";
import type { GuestRecord } from "../record/state-records.ts";
import {
  checkOptions,
  GUEST_ROOT,
  guestRootParts,
  guestRootPlace,
  openLayer,
  type PreparedRun,
  type RunFiles,
  type RunParts,
  storagesOf,
  withVolumes,
} from "./prepare-run.ts";
import { checkRootfs, rootfsOf } from "./rootfs-kind.ts";

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

export interface RunningParts extends RunParts {
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
