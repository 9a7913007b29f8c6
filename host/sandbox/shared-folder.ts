import { chmod, mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onProcessEnd } from "../../image/process-end.ts";
import { removeTree, removeTreeSync } from "../../image/remove-tree.ts";
import type { RootfsPlace } from "../image/image-config.ts";
import type { Share } from "../machine/virtiofs.ts";

/** Kata's names: hosts and agents agree on them. */
export const SHARED_TAG = "kataShared";
export const SHARED_IN_GUEST = "/run/kata-containers/shared/containers";

/** A directory of the host that a guest mounts, with one directory for each container in it. */
export interface SharedFolder {
  readonly directory: string;
  readonly share: Share;
  /** Removes it with all that is in it. Any number of calls. */
  remove(): Promise<void>;
}

/** Makes an empty one in the temporary directory; it is removed with this process if not before. */
export async function makeSharedFolder(): Promise<SharedFolder> {
  const directory = await mkdtemp(join(tmpdir(), "guestd-share-"));
  const forget = onProcessEnd(() => removeTreeSync(directory));
  return {
    directory,
    share: { tag: SHARED_TAG, directory },
    async remove() {
      await removeTree(directory);
      forget();
    },
  };
}

/** Where the rootfs of a container lies in a shared folder, and in the guest. */
export function rootfsPlace(directory: string, container: string): RootfsPlace {
  return { host: join(directory, container, "rootfs"), guest: `${SHARED_IN_GUEST}/${container}/rootfs` };
}

/** Makes the container's empty rootfs; its own users, too, have to get into it, whatever our umask is. */
export async function makeRootfs({ host }: RootfsPlace): Promise<void> {
  await mkdir(host, { recursive: true });
  await chmod(host, 0o755);
}
