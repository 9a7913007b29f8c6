import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { giveFolder } from "../../../lib/owned-folder.ts";
import { onProcessEnd } from "../../../lib/process-end.ts";
import type { ProcessOwner } from "../../../lib/process-owner.ts";
import { removeTree, removeTreeSync } from "../../../lib/remove-tree.ts";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { OperationError } from "../../operation-error.ts";
import { makeTemporaryFolder } from "../../private-folder.ts";
import { mountForGuest, openToGuest } from "../../vm/guard-share.ts";
import { identityOf } from "../../vm/shared-source.ts";
import type { Share } from "../../vm/virtiofs.ts";
import type { RootfsPlace } from "../image/image-config.ts";
import { randomName } from "./random-name.ts";

/** Names that Kata's hosts and agents agree on. */
export const SHARED_TAG = "kataShared";
export const SHARED_IN_GUEST = "/run/kata-containers/shared/containers";

/**
 * The guest's mount of the shared folder. Each container that uses the folder brings it too: the agent mounts it for the
 * first one and unmounts it after the last one.
 */
export const SHARE_STORAGE: Init<grpc.Storage> = {
  driver: "virtio-fs",
  source: SHARED_TAG,
  fstype: "virtiofs",
  options: ["nodev"],
  mount_point: `${SHARED_IN_GUEST}/`,
};

/** A host folder mounted in a container. */
export interface Volume {
  /** Absolute path on the host. */
  readonly host: string;
  /** Absolute path in the container. */
  readonly guest: string;
  readonly mode: "rw" | "ro";
}

/**
 * Time limit in milliseconds for removing files while a guest keeps creating them; the rest is removed with the guest.
 */
const REMOVE_LIMIT_MS = 20_000;

/**
 * A host folder that holds a directory mounted by a guest, with a subdirectory for each container. The folder itself
 * belongs to this user alone and is out of the guest's reach: the host prepares files beside the mounted directory and
 * moves them in with one rename when complete. After that the host never follows names in there: it reads with
 * `readInRoot` and removes with `removeTree`.
 */
export interface SharedFolder {
  readonly directory: string;
  readonly share: Share;
  /** Removes the folder and its content. Idempotent. */
  remove(): Promise<void>;
  /** Makes it outlive this process: it belongs to a program of its guest from now on. */
  give(to: ProcessOwner): void;
}

/** Returns the shared folder of a guest that another process has started. */
export function sharedFolderAt(directory: string): SharedFolder {
  const give = (to: ProcessOwner) => giveFolder(directory, to);
  return { directory, share: shareOf(directory), remove: () => removeTree(directory), give };
}

/** Creates an empty shared folder in the temporary directory; it is removed when this process exits, if not before. */
export async function makeSharedFolder(): Promise<SharedFolder> {
  const directory = makeTemporaryFolder("guestd-share-");
  const forget = onProcessEnd(() => removeTreeSync(directory, { limitMs: REMOVE_LIMIT_MS }));
  await mkdir(sharedIn(directory));
  return {
    directory,
    share: shareOf(directory),
    async remove() {
      await removeTree(directory);
      forget();
    },
    give(to) {
      giveFolder(directory, to);
      forget();
    },
  };
}

/**
 * Returns a fresh name for a container's directory in a running guest. If a name is used again within a second, the guest still finds
 * the files that were removed, in the cache of its virtiofs.
 */
export function newDirectory(container: string): string {
  return randomName(`${container}@run`);
}

/**
 * Returns the path of a container's rootfs in the guest and on the host; the latter only for callers that don't follow
 * names below it.
 */
export function rootfsPlace(directory: string, container: string): RootfsPlace {
  return { host: join(sharedIn(directory), container, "rootfs"), guest: `${SHARED_IN_GUEST}/${container}/rootfs` };
}

/** Returns the share of a folder from `makeSharedFolder`, even one created by another process. */
export function shareOf(directory: string): Share {
  return { tag: SHARED_TAG, directory: sharedIn(directory), guard: join(directory, "guard") };
}

/** Allows a running guest to write to a container's rootfs after it was moved in. */
export function openRootfs(directory: string, container: string): void {
  openToGuest(shareOf(directory), rootfsPlace(directory, container).host);
}

/** Creates mount points for a container's volumes in its directory, before that is moved in. Rejects with MachineError. */
export async function makeVolumePlaces(made: string, volumes: readonly Volume[]): Promise<void> {
  if (volumes.length === 0) return;
  for (const { host, mode } of volumes) identityOf(host, mode);
  await mkdir(join(made, "volumes"));
  for (const index of volumes.keys()) await mkdir(join(made, "volumes", `${index}`));
}

/**
 * Makes the volumes of a container visible to its running guest, after its directory was moved in, and returns the
 * container's mounts for them. Throws MachineError.
 */
export function openVolumes(directory: string, container: string, volumes: readonly Volume[]): Init<grpc.Mount>[] {
  return volumes.map(({ host, guest, mode }, index) => {
    const place = join(container, "volumes", `${index}`);
    mountForGuest(shareOf(directory), host, join(sharedIn(directory), place), mode);
    return {
      destination: guest,
      source: `${SHARED_IN_GUEST}/${place}`,
      type: "bind",
      options: ["rbind", "rprivate", mode],
    };
  });
}

/** Moves a container's complete directory into the guest's view. Rejects if the guest has an entry of that name. */
export async function moveIn(directory: string, container: string, made: string): Promise<void> {
  try {
    await rename(made, join(sharedIn(directory), container));
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(code)) throw error;
    throw new OperationError(
      `container ${container}: name already in use in the guest's shared folder; choose another`,
      { kind: "already-exists" },
    );
  }
}

/**
 * Removes a container's directory, even while its guest writes there. Removes it in place: if the guest's virtiofsd
 * holds a directory that is moved out, the guest could escape its chroot.
 */
export async function removeContainer(directory: string, name: string): Promise<void> {
  await removeTree(join(sharedIn(directory), name), { limitMs: REMOVE_LIMIT_MS });
}

function sharedIn(directory: string): string {
  return join(directory, "shared");
}
