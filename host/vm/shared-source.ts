import { closeSync, constants, fstatSync, lstatSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { O_PATH, RESOLVE_NO_SYMLINKS } from "../../agent/kernel/constants.ts";
import { plainPath } from "../../agent/kernel/plain-path.ts";
import { nativeAddon } from "../../agent/kernel/sys/native-addon.ts";
import { isRoot } from "../../lib/is-root.ts";
import { MachineError } from "./machine-error.ts";

const { O_DIRECTORY } = constants;
const BY_OTHERS = 0o011;
const NO_FOLDER = "it is not a folder";
/** Why a folder can't be opened, by errno: ENOENT, ENOTDIR, ELOOP. */
const WHY: ReadonlyMap<number, string> = new Map([
  [2, NO_FOLDER],
  [20, NO_FOLDER],
  [40, "it leads through a link, which a container may have made; name the folder itself"],
]);

/**
 * Returns the real path of a folder to share. Follows the links that belong to the system (`plainPath`) and no others: a
 * container may have made them, in a folder that it shared before. Throws MachineError.
 */
export function sharedFolder(path: string): string {
  const place = plainPath(resolve(path));
  closeSync(openFolder(path, place));
  return place;
}

/**
 * Returns device and inode of a folder that `sharedFolder` has returned, as stat(1) prints them. Throws MachineError if it
 * was replaced by a link, or if root must not share it writable.
 */
export function identityOf(folder: string, mode: "rw" | "ro"): string {
  const fd = openFolder(folder, folder);
  try {
    if (mode === "rw" && isRoot()) checkClosed(folder);
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return `${dev}:${ino}`;
  } finally {
    closeSync(fd);
  }
}

/**
 * Throws MachineError unless a folder above keeps other users out: a container could make programs there that run as root for
 * whoever reaches them. The folder's own mode is the container's to change.
 */
function checkClosed(folder: string): void {
  for (let at = dirname(folder); ; at = dirname(at)) {
    const { uid, mode } = lstatSync(at);
    if (uid === 0 && (mode & BY_OTHERS) === 0) return;
    if (at === "/") break;
  }
  const why = "other users can enter it, and a container could make programs there that run as root";
  throw new MachineError(
    `share ${folder}: ${why}; add :ro, or use a folder below one that is closed to them (chmod 700)`,
  );
}

function openFolder(path: string, place: string): number {
  const root = openSync("/", O_PATH | O_DIRECTORY);
  try {
    const flags = O_PATH | O_DIRECTORY;
    const fd = nativeAddon().openat2(root, place.replace(/^\/+/, "") || ".", flags, RESOLVE_NO_SYMLINKS);
    if (fd >= 0) return fd;
    const why = WHY.get(-fd) ?? `errno ${-fd}`;
    throw new MachineError(`share ${path}: ${why}`);
  } finally {
    closeSync(root);
  }
}
