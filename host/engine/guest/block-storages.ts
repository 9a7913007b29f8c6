import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { OperationError } from "../../operation-error.ts";
import { attachDisk, type DiskSource, type SharedDisk } from "../../vm/disks.ts";
import type { Qmp } from "../../vm/qmp.ts";
import { attachWritable, detachWritable } from "../../vm/writable-disks.ts";
import type { PreparedRun } from "../container/prepare-run.ts";
import type { UsedBlockRoot } from "../image/disk/block-root.ts";
import type { BlockRoot } from "../image/disk/block-store.ts";
import { bindLayer, type Layer, layerOf } from "../image/disk/layer-store.ts";
import type { GuestRecord } from "../record/state-records.ts";
import { controlOf } from "./guest-target.ts";

const CONTAINERS = "/run/kata-containers";
/** Not below CONTAINERS, where a container can have any name. */
const DISKS = "/run/block-roots";
const SERIAL_LENGTH = 20;
const CREATE = "io.katacontainers.volume.overlayfs.create_directory";

function blockRootIn(container: string): string {
  return `${CONTAINERS}/${container}/rootfs`;
}

/** Where a container's writable layer is: on a disk at this place, or in the guest's memory, bounded by its limit. */
type Upper = { readonly place: string } | { readonly memoryLimit: number | undefined };

/**
 * Returns the storages of a container's root on a disk: the disk, which the agent mounts once for all its containers, and
 * an overlay with a writable layer. The layer has a file system of its own, so that a container can't fill the guest's.
 */
function blockStorages(
  container: string,
  { serial }: SharedDisk,
  place: DiskSource,
  upper: Upper,
): Init<grpc.Storage>[] {
  const dax = place.driver === "nvdimm" ? ["dax=always"] : [];
  const lower = `${DISKS}/${serial}`;
  const writable = `${CONTAINERS}/${container}/writable`;
  const directories = [`${writable}/upper`, `${writable}/work`];
  return [
    { ...place, fstype: "erofs", options: ["ro", "nodev", ...dax], mount_point: lower },
    { ...upperStorage(upper), mount_point: writable },
    {
      ...{ driver: "overlayfs", source: "overlay", fstype: "overlay", mount_point: blockRootIn(container) },
      driver_options: directories.map((directory) => `${CREATE}=${directory}`),
      options: [`lowerdir=${lower}`, `upperdir=${directories[0]}`, `workdir=${directories[1]}`, "nodev"],
    },
  ];
}

/** The agent makes a file system on a new disk; what the container deletes leaves its file. In memory it has half of the limit. */
function upperStorage(upper: Upper): Init<grpc.Storage> {
  if ("place" in upper) {
    const [source, options] = [upper.place, ["nodev", "discard"]];
    return { driver: "blk", source, fstype: "ext4", options, driver_options: ["create_filesystem=kept"] };
  }
  const size = upper.memoryLimit === undefined ? [] : [`size=${Math.floor(upper.memoryLimit / 2)}`];
  return { driver: "ephemeral", source: "tmpfs", fstype: "tmpfs", options: ["nodev", "mode=0755", ...size] };
}

/** Returns the disk of a root file system as guests get it. */
function diskOf({ id, file }: BlockRoot): SharedDisk {
  return { file, serial: id.slice(0, SERIAL_LENGTH) };
}

/**
 * Plugs the disk of an image into a guest, and that of the container's layer, unless it has them, and returns the
 * container's root on them. Without a layer, the container writes to the guest's memory.
 */
export async function plugBlockRoot(
  qmp: Qmp,
  guest: string,
  container: string,
  { root, config }: Pick<UsedBlockRoot, "root" | "config">,
  { layer, memoryLimit }: { readonly layer?: Layer | undefined; readonly memoryLimit?: number | undefined } = {},
): Promise<Required<Pick<PreparedRun, "rootfs" | "config" | "storages">> & Pick<PreparedRun, "layer">> {
  if (layer !== undefined) bindLayer(layer, container, root.id);
  const disk = diskOf(root);
  const place = await attachDisk(qmp, guest, disk);
  const upper = layer === undefined ? { memoryLimit } : { place: await attachWritable(qmp, guest, layer.disk) };
  return {
    config,
    rootfs: { host: root.users, guest: blockRootIn(container) },
    storages: blockStorages(container, disk, place, upper),
    ...(layer && { layer: layer.folder }),
  };
}

/**
 * Unplugs a container's layer from its running guest, once the agent has removed the container. If the guest is ending, or
 * doesn't let go of the disk, that ends with the guest.
 */
export async function unplugLayer(guest: GuestRecord, folder: string): Promise<void> {
  try {
    await using qmp = await controlOf(guest);
    await detachWritable(qmp, layerOf(folder).disk);
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
  }
}
