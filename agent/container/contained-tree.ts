import type { TakenFile } from "../../lib/archive/tree-files.ts";
import { O_NOFOLLOW, RESOLVE_BENEATH, RESOLVE_NO_XDEV } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { Served } from "../kernel/files/contained-files.ts";
import { type Handle, INSIDE, ROOT } from "../kernel/files/served-files.ts";
import { readMountTable } from "./mounts/mount-table.ts";

const EXDEV = 18;

/**
 * File systems that a copy enters: those that the kernel or the host serves and that store what was written to them. A
 * container's own server (FUSE, NFS) could stop answering and end the copy; others generate content on each read.
 */
const ENTERED = new Set(
  "btrfs erofs ext2 ext3 ext4 f2fs iso9660 overlay ramfs rootfs squashfs tmpfs vfat virtiofs xfs".split(" "),
);

/** Opens files of the mounts that a copy may enter. */
export class EnteredMounts {
  readonly #files: Served;
  readonly #pid: number | "self";
  /** Mounts that may be entered, by id. */
  readonly #entered = new Set<bigint>();

  /** `pid` is a process that has the mounts. */
  constructor(files: Served, pid: number | "self") {
    this.#files = files;
    this.#pid = pid;
  }

  /** Opens a path below the root; its last name is followed too. */
  openPath(path: string, flags: number) {
    return this.#open(ROOT, path, flags, INSIDE);
  }

  /** Opens an entry of a directory without following it. Fails with EXDEV if its mount may not be entered. */
  async openEntry(dir: Handle, name: Uint8Array, flags: number) {
    try {
      return await this.#files.open(dir, name, flags | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
    } catch (error) {
      if (!(error instanceof SystemError) || error.code !== "EXDEV") throw error;
    }
    return await this.#open(dir, name, flags | O_NOFOLLOW, RESOLVE_BENEATH);
  }

  /** Reads a small file of a directory's own mount; resolves with undefined if it is something else, or can't be read. */
  async takeEntry(dir: Handle, name: Uint8Array): Promise<TakenFile | undefined> {
    try {
      return await this.#files.take(dir, name, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
    } catch (error) {
      if (error instanceof SystemError) return undefined;
      throw error;
    }
  }

  async #open(dir: Handle, path: string | Uint8Array, flags: number, resolve: number) {
    // Opening a file asks its file system, which this must not do before the mount is known.
    const mount = await this.#files.mount(dir, path, flags, resolve);
    this.#check(mount);
    const opened = await this.#files.open(dir, path, flags, resolve);
    if (opened.attributes.mount === mount) return opened;
    this.#files.close(opened.handle);
    throw new SystemError("open", EXDEV, "", "another file system was mounted meanwhile");
  }

  #check(mount: bigint): void {
    if (this.#entered.has(mount)) return;
    const type = mountType(this.#pid, mount);
    if (type === undefined || !ENTERED.has(type)) {
      throw new SystemError("open", EXDEV, "", `copies don't enter file systems of type ${type ?? "unknown"}`);
    }
    this.#entered.add(mount);
  }
}

/** Returns the type of a mount's file system, without asking the file system. */
function mountType(pid: number | "self", mount: bigint): string | undefined {
  const line = readMountTable(`/proc/${pid}/mountinfo`)
    .split("\n")
    .find((each) => each.startsWith(`${mount} `));
  return line?.split(" - ")[1]?.split(" ")[0];
}
