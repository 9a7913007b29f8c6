import { O_PATH, S_IFDIR, S_IFMT } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import { ROOT } from "../kernel/files/served-files.ts";
import { guestPath } from "../kernel/guest-path.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { fileSystemAnswers } from "../kernel/wait/file-system-answers.ts";
import { mountStorage } from "./mount-storage.ts";
import { mountedOn } from "./mounts.ts";
import { removePlace } from "./remove-place.ts";
import { scanTree, type TreeLimits } from "./scan-tree.ts";
import { type PlacedStorage, type StorageDriver, storageRoot } from "./storage.ts";
import { storageNotices } from "./storage-notices.ts";
import { TreeCopy } from "./tree-copy.ts";
import { unmount } from "./unmount.ts";
import { coverWatchable, uncoverWatchable } from "./watchable-place.ts";

/** Polling interval. The guest caches the share's names for one second, so a change arrives within 2 s. */
const INTERVAL_MS = 500;
/** Interval after a failed refresh, because the host was changing files. */
const AGAIN_MS = 50;
/** Larger directories are bind-mounted instead of copied. */
const SMALL: TreeLimits = { files: 16, bytes: 1 << 20 };
/** Limits up to which a copy may grow. */
const GROWN: TreeLimits = { files: 1024, bytes: 4 << 20 };
/**
 * Holds the old and the new version side by side. The next agent reads all names, including those that containers have
 * added.
 */
const TMPFS = "size=10m,nr_inodes=16k,mode=0755";

/**
 * Copies a directory from the share into memory and follows its source within 2 s, because a share doesn't report
 * changes to programs that watch it. Bind-mounts a file, and a directory that is not small.
 */
export const watchableBind: StorageDriver = {
  name: "watchable-bind",
  async mount(kernel, storage) {
    const { source, mountPoint, fsGroup } = storage;
    guestPath("watchable-bind storage: source", source);
    if (fsGroup !== undefined)
      throw new AgentError("unimplemented", "watchable-bind storage: fs_group is not supported");
    await coverWatchable(kernel, storage);
    try {
      if (await isSmallDirectory(kernel, storage)) await mountCopy(kernel, storage);
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
  const { mountPoint, driver, seen } = storage;
  const options = ["nosuid", "nodev", TMPFS];
  await mountStorage(kernel, { driver, source: "tmpfs", fstype: "tmpfs", options, mountPoint, seen });
  try {
    if (!(await copyOf(kernel, storage).refresh(GROWN))) throw tooLarge(storage);
  } catch (error) {
    await unmount(kernel, mountPoint).catch(() => undefined);
    await removePlace(kernel, mountPoint, seen);
    throw error;
  }
}

function isSmallDirectory({ contained }: Kernel, storage: PlacedStorage): Promise<boolean> {
  const { source } = storage;
  return contained.use(storageRoot(storage), async (files) => {
    const { handle, attributes } = await files.open(ROOT, source, O_PATH);
    files.close(handle);
    const isDirectory = (Number(attributes.mode) & S_IFMT) === S_IFDIR;
    return isDirectory && (await scanTree(files, source, SMALL)) !== undefined;
  });
}

function copyOf({ contained }: Kernel, storage: PlacedStorage): TreeCopy {
  return new TreeCopy(contained, storageRoot(storage), storage.source, storage.mountPoint);
}

/** Keeps the copy up to date until it is closed. Does nothing for a bind mount. Reports each problem once. */
function watchSource(kernel: Kernel, storage: PlacedStorage): { close(): void } {
  const { source, mountPoint } = storage;
  if (mountedOn(kernel.files, mountPoint)?.type !== "tmpfs") return { close: () => undefined };
  const copy = copyOf(kernel, storage);
  let last = "";
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let failed = false;
  const report = (line: string) => {
    if (line !== last && line !== "") storageNotices.publish(line);
    last = line;
  };
  const look = async () => {
    const again = !failed;
    try {
      await fileSystemAnswers(kernel.files, source);
      if (!closed) report((await copy.refresh(GROWN)) ? "" : tooLarge(storage).message);
      failed = false;
    } catch (error) {
      failed = true;
      const why = error instanceof Error ? error.message : String(error);
      if (!again) report(`watchable-bind storage ${source} on ${mountPoint}: ${why}`);
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
  return new AgentError("internal", `watchable-bind storage ${source}: it has grown too large to copy`);
}
