import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import type { UsedBlockRoot } from "../block-root/block-root.ts";
import type { BlockRoot } from "../block-root/block-store.ts";
import { attachDisk, type SharedDisk } from "../machine/disks.ts";
import type { Qmp } from "../machine/qmp.ts";
import { OperationError } from "../operation-error.ts";
import type { Volume } from "../sandbox/shared-folder.ts";
import type { PreparedRun } from "./prepare-run.ts";

const CONTAINERS = "/run/kata-containers";
/** Not below CONTAINERS, where a container can have any name. */
const DISKS = "/run/block-roots";
const SERIAL_LENGTH = 20;
const CREATE = "io.katacontainers.volume.overlayfs.create_directory";

function blockRootIn(container: string): string {
  return `${CONTAINERS}/${container}/rootfs`;
}

/**
 * Returns the storages of a container's root on a disk: the disk, which the agent mounts once for all its containers, and
 * an overlay with a writable layer in memory. The layer has a file system of its own, so that a container can't fill the
 * guest's: half of its memory limit or, by the kernel's default, half of the guest's memory.
 */
function blockStorages(
  container: string,
  { serial }: SharedDisk,
  place: string,
  memoryLimit?: number,
): Init<grpc.Storage>[] {
  const lower = `${DISKS}/${serial}`;
  const writable = `${CONTAINERS}/${container}/writable`;
  const [upper, work] = [`${writable}/upper`, `${writable}/work`];
  const size = memoryLimit === undefined ? [] : [`size=${Math.floor(memoryLimit / 2)}`];
  return [
    { driver: "blk", source: place, fstype: "erofs", options: ["ro", "nodev"], mount_point: lower },
    {
      driver: "ephemeral",
      source: "tmpfs",
      fstype: "tmpfs",
      options: ["nodev", "mode=0755", ...size],
      mount_point: writable,
    },
    {
      ...{ driver: "overlayfs", source: "overlay", fstype: "overlay", mount_point: blockRootIn(container) },
      driver_options: [upper, work].map((directory) => `${CREATE}=${directory}`),
      options: [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`, "nodev"],
    },
  ];
}

/** Returns the disk of a root file system as guests get it. */
export function diskOf({ id, file }: BlockRoot): SharedDisk {
  return { file, serial: id.slice(0, SERIAL_LENGTH) };
}

/** Throws OperationError if there are volumes, which need a shared folder. */
export function refuseVolumes(container: string, volumes: readonly Volume[]): void {
  if (volumes.length === 0) return;
  const why = "-v needs a shared folder, which a guest with --rootfs block lacks";
  throw new OperationError(`container ${container}: ${why}; use --rootfs share, or copy with guestctl cp`);
}

/** Plugs the disk of an image into a guest, unless it has it, and returns the container's root on it. */
export async function plugBlockRoot(
  qmp: Qmp,
  guest: string,
  container: string,
  { root, config }: Pick<UsedBlockRoot, "root" | "config">,
  memoryLimit?: number,
): Promise<Required<Pick<PreparedRun, "rootfs" | "config" | "storages">>> {
  const disk = diskOf(root);
  const place = await attachDisk(qmp, guest, disk);
  return {
    config,
    rootfs: { host: root.users, guest: blockRootIn(container) },
    storages: blockStorages(container, disk, place, memoryLimit),
  };
}
