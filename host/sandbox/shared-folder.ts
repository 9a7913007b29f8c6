import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { onProcessEnd } from "../../lib/process-end.ts";
import { removeTree, removeTreeSync } from "../../lib/remove-tree.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import type { RootfsPlace } from "../image/image-config.ts";
import { mountForGuest, openToGuest } from "../machine/guard-share.ts";
import type { Share } from "../machine/virtiofs.ts";
import { makeTemporaryFolder } from "../private-folder.ts";

/** Kata's names: hosts and agents agree on them. */
export const SHARED_TAG = "kataShared";
export const SHARED_IN_GUEST = "/run/kata-containers/shared/containers";

/** A folder of the host in a container. */
export interface Volume {
  /** On the host; absolute. */
  readonly host: string;
  /** In the container; absolute. */
  readonly guest: string;
  readonly mode: "rw" | "ro";
}

/** Milliseconds in which a guest may keep making files while they are removed; the rest goes with the guest. */
const REMOVE_LIMIT_MS = 20_000;

/**
 * A folder of the host with a directory in it that a guest mounts, which has one for each container. The folder itself is
 * this user's alone and no guest reaches it: what the host makes is made beside that directory, and moved in by one rename
 * when it is whole. From then on the host follows no name in there: it reads by `readInRoot`, and removes by `removeTree`.
 */
export interface SharedFolder {
  readonly directory: string;
  readonly share: Share;
  /** Removes it with all that is in it. Any number of calls. */
  remove(): Promise<void>;
}

/** Makes an empty one in the temporary directory; it is removed with this process if not before. */
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
  };
}

/** Where the rootfs of a container lies on the host, for those who don't follow names in there, and in the guest. */
export function rootfsPlace(directory: string, container: string): RootfsPlace {
  return { host: join(sharedIn(directory), container, "rootfs"), guest: `${SHARED_IN_GUEST}/${container}/rootfs` };
}

/** The share of a folder that `makeSharedFolder` made, be it another process. */
export function shareOf(directory: string): Share {
  return { tag: SHARED_TAG, directory: sharedIn(directory), guard: join(directory, "guard") };
}

/** Lets the guest write in the rootfs of a container that was moved in. The guest runs. */
export function openRootfs(directory: string, container: string): void {
  openToGuest(shareOf(directory), rootfsPlace(directory, container).host);
}

/** Makes the directories that a container's volumes are mounted on, in its own before that is moved in. */
export async function makeVolumePlaces(made: string, volumes: readonly Volume[]): Promise<void> {
  if (volumes.length === 0) return;
  await mkdir(join(made, "volumes"));
  for (const index of volumes.keys()) await mkdir(join(made, "volumes", `${index}`));
}

/**
 * Has the guest see the host's folders of a container that was moved in, and returns the container's mounts of them. The guest
 * runs. Throws MachineError.
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

/** Moves a container's finished directory to where the guest sees it. Rejects when the guest has something of that name. */
export async function moveIn(directory: string, container: string, made: string): Promise<void> {
  try {
    await rename(made, join(sharedIn(directory), container));
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(code)) throw error;
    throw new Error(`container ${container}: that name is taken in the guest's shared folder: choose another`);
  }
}

/**
 * Removes a container's directory under the eyes of its guest, which may write there. In place: a directory that is moved
 * out while the guest's virtiofsd holds it would be a way out of its chroot.
 */
export async function removeContainer(directory: string, container: string): Promise<void> {
  await removeTree(join(sharedIn(directory), container), { limitMs: REMOVE_LIMIT_MS });
}

function sharedIn(directory: string): string {
  return join(directory, "shared");
}
