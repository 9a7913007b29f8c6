import { presentClient } from "../../client/agent-client.ts";
import { waitForUnlock } from "../../vm/wait-for-unlock.ts";
import { plugBlockRoot } from "../guest/block-storages.ts";
import { bootWhile, claimGuest, endOfGuest, type GuestClaim, type OwnGuestOptions } from "../guest/boot-while.ts";
import { releaseGuest } from "../guest/kept-guest.ts";
import type { SandboxGuest } from "../guest/sandbox-guest.ts";
import { makeSharedFolder, openRootfs, openVolumes, rootfsPlace } from "../guest/shared-folder.ts";
import { blockRootOf, knownBlockRoot } from "../image/disk/block-root.ts";
import { discardLayer } from "../image/disk/layer-store.ts";
import { moveInVolumes, unpackRootfs } from "../image/unpack-rootfs.ts";
import type { StateStore } from "../record/state-store.ts";
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
  const writable = layer === undefined ? [] : [layer.disk];
  const { guest, files: root } = await bootWhile(claim, { ...options, hasDisks: true, writable }, make, folder);
  const mounts = folder === undefined ? [] : openVolumes(folder.directory, container, volumes);
  if (root === undefined) return { guest, ...withVolumes(guestRootParts(container), mounts) };
  await using qmp = await guest.guest.qmp();
  const parts = await plugBlockRoot(qmp, options.name, container, root, { layer, memoryLimit });
  return { guest, ...withVolumes(parts, mounts) };
}
