import { stat } from "node:fs/promises";
import { MNT_DETACH } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import { guestPath } from "../kernel/guest-path.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { untilAnswering } from "../kernel/wait/file-system-answers.ts";
import { mountStorage } from "./mount-storage.ts";
import { mountedOn } from "./mounts.ts";
import { scanTree, type TreeLimits } from "./scan-tree.ts";
import type { PlacedStorage, StorageDriver } from "./storage.ts";
import { storageNotices } from "./storage-notices.ts";
import { TreeCopy } from "./tree-copy.ts";
import { coverWatchable, uncoverWatchable } from "./watchable-place.ts";

/** With the second for which a guest trusts what it knows of the share's names, a change arrives within 2 s. */
const INTERVAL_MS = 500;
/** After a look that failed: the host was changing files meanwhile. */
const AGAIN_MS = 50;
/** What is copied; more is bound as it is. */
const SMALL: TreeLimits = { files: 16, bytes: 1 << 20 };
/** What a copy may grow to. */
const GROWN: TreeLimits = { files: 1024, bytes: 4 << 20 };
/** Old and new version side by side. The next agent reads the names of all, also of what containers have put there. */
const TMPFS = "size=10m,nr_inodes=16k,mode=0755";

/**
 * A directory on the share whose changes programs are to notice, which a share does not report: a copy in memory that
 * follows its source within 2 s. A file, and a directory that is not small, is bound as it is.
 */
export const watchableBind: StorageDriver = {
  name: "watchable-bind",
  async mount(kernel, storage) {
    const { source, mountPoint, fsGroup } = storage;
    guestPath("watchable-bind storage: source", source);
    if (fsGroup !== undefined)
      throw new AgentError("unimplemented", "watchable-bind storage: fs_group is not supported");
    await coverWatchable(kernel, mountPoint);
    try {
      if (await isSmallDirectory(source)) await mountCopy(kernel, storage);
      else await mountStorage(kernel, { ...storage, fstype: "bind" });
    } catch (error) {
      await uncoverWatchable(kernel, mountPoint).catch(() => undefined);
      throw error;
    }
  },
  release: (kernel, { mountPoint }) => uncoverWatchable(kernel, mountPoint),
  watch: watchSource,
};

async function mountCopy(kernel: Kernel, storage: PlacedStorage): Promise<void> {
  const { source, mountPoint, driver } = storage;
  const { sys, files } = kernel;
  const options = ["nosuid", "nodev", TMPFS];
  await mountStorage(kernel, { driver, source: "tmpfs", fstype: "tmpfs", options, mountPoint });
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
}

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
  let failed = false;
  const tell = (line: string) => {
    if (line !== told && line !== "") storageNotices.publish(line);
    told = line;
  };
  const look = async () => {
    const again = !failed;
    try {
      await untilAnswering(kernel.files, source);
      if (!closed) tell((await copy.refresh(GROWN)) ? "" : tooLarge(storage).message);
      failed = false;
    } catch (error) {
      failed = true;
      const why = error instanceof Error ? error.message : String(error);
      if (!again) tell(`watchable-bind storage ${source} on ${mountPoint}: ${why}`);
    }
    if (!closed) timer = setTimeout(look, failed && again ? AGAIN_MS : INTERVAL_MS).unref();
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
