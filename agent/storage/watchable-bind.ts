import { stat } from "node:fs/promises";
import { MNT_DETACH } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import { guestPath } from "../kernel/guest-path.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { untilAnswering } from "../kernel/until-answering.ts";
import { mountStorage } from "./mount-storage.ts";
import { mountedOn } from "./mounts.ts";
import { scanTree, type TreeLimits } from "./scan-tree.ts";
import type { PlacedStorage, StorageDriver } from "./storage.ts";
import { storageNotices } from "./storage-notices.ts";
import { TreeCopy } from "./tree-copy.ts";

const INTERVAL_MS = 2000;
/** What is copied; more is bound as it is. */
const SMALL: TreeLimits = { files: 16, bytes: 1 << 20 };
/** What a copy may grow to. */
const GROWN: TreeLimits = { files: 1024, bytes: 4 << 20 };
/** Old and new version side by side. */
const TMPFS = "size=10m,mode=0755";

/**
 * A directory on the share whose changes programs are to notice, which a share does not tell of: a copy in memory, looked
 * after every 2 s. A file, and a directory that is not small, is bound as it is.
 */
export const watchableBind: StorageDriver = {
  name: "watchable-bind",
  async mount(kernel, storage) {
    const { source, mountPoint, fsGroup } = storage;
    guestPath("watchable-bind storage: source", source);
    if (fsGroup !== undefined)
      throw new AgentError("unimplemented", "watchable-bind storage: fs_group is not supported");
    if (!(await isSmallDirectory(source))) return mountStorage(kernel, { ...storage, fstype: "bind" });
    const { sys, files } = kernel;
    const memory = { driver: storage.driver, source: "tmpfs", fstype: "tmpfs", options: ["nosuid", "nodev", TMPFS] };
    await mountStorage(kernel, { ...memory, mountPoint });
    try {
      if (!(await new TreeCopy(sys, source, mountPoint).refresh(GROWN))) throw tooLarge(storage);
    } catch (error) {
      await sys.umount(mountPoint, MNT_DETACH).catch(() => undefined);
      try {
        files.removeDirectory(mountPoint);
      } catch {
        // It was there before.
      }
      throw error;
    }
  },
  watch: watchSource,
};

async function isSmallDirectory(source: string): Promise<boolean> {
  return (await stat(source)).isDirectory() && (await scanTree(source, SMALL)) !== undefined;
}

/** Looks after the copy until it is closed; nothing for a source that is bound. What goes wrong is told once. */
function watchSource(kernel: Kernel, storage: PlacedStorage): { close(): void } {
  const { source, mountPoint } = storage;
  if (mountedOn(kernel.files, mountPoint)?.type !== "tmpfs") return { close: () => undefined };
  const copy = new TreeCopy(kernel.sys, source, mountPoint);
  let told = "";
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const tell = (line: string) => {
    if (line !== told && line !== "") storageNotices.publish(line);
    told = line;
  };
  const look = async () => {
    try {
      await untilAnswering(kernel.files, source);
      if (!closed) tell((await copy.refresh(GROWN)) ? "" : tooLarge(storage).message);
    } catch (error) {
      tell(
        `watchable-bind storage ${source} on ${mountPoint}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    if (!closed) timer = setTimeout(look, INTERVAL_MS).unref();
  };
  timer = setTimeout(look, INTERVAL_MS).unref();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

function tooLarge({ source }: PlacedStorage): AgentError {
  return new AgentError("internal", `watchable-bind storage ${source}: it has grown too large to be copied`);
}
