import { statSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../../../../lib/names-in.ts";
import { folderUsers, useFolder } from "../../../folder-uses.ts";
import { makePrivateFolder, makeTemporaryFolder } from "../../../private-folder.ts";
import { lastUse, removeStored, storeFolder } from "../../../stored-folder.ts";
import { userCache } from "../../../vm/paths.ts";
import { DISK, USERS } from "./make-block-root.ts";

/** A disk in the store. */
export interface BlockRoot {
  /** 64 hexadecimal digits, made from what the disk holds. */
  readonly id: string;
  /** Path of the EROFS, which never changes. */
  readonly file: string;
  /** Directory that stands for the root where the host looks users up. */
  readonly users: string;
  /** Bytes of the disk. */
  readonly size: number;
}

/**
 * Disks of this user, in a folder of the user's cache that only the user can access. A disk is complete from the moment it
 * appears, and never changes. Several processes can use the store at once, without a lock. Every method may throw
 * FolderError.
 */
export class BlockStore {
  readonly #root: string;

  constructor(root = userCache("roots")) {
    this.#root = root;
  }

  /** Returns the disks, the last used first. */
  list(): readonly BlockRoot[] {
    const found = namesIn(this.#checked()).flatMap((id) => this.find(id) ?? []);
    const usedAt = new Map(found.map(({ id }) => [id, Number(lastUse(this.#path(id)) ?? 0)]));
    return found.sort((a, b) => (usedAt.get(b.id) ?? 0) - (usedAt.get(a.id) ?? 0));
  }

  find(id: string): BlockRoot | undefined {
    const path = this.#path(id);
    const found = /^[0-9a-f]{64}$/.test(id) ? statSync(join(path, DISK), { throwIfNoEntry: false }) : undefined;
    return found && { id, file: join(path, DISK), users: join(path, USERS), size: found.size };
  }

  /**
   * Notes that this process uses a disk for a container or guest, until disposal or the end of the process. Returns
   * undefined if the disk isn't in the store any more.
   */
  use({ id }: BlockRoot, user: string): Disposable | undefined {
    return useFolder(this.#path(id), user);
  }

  /** Creates a folder for a new disk. If the process is killed, a later one removes it. */
  makeStaging(): string {
    return makeTemporaryFolder("making-", this.#checked());
  }

  /** Adds the disk in `staging`, unless the store has an equal one already. */
  add(id: string, staging: string): void {
    storeFolder(staging, this.#path(id));
  }

  /**
   * Removes disks until all have at most `limit` bytes: those not used for the longest time first, none in use and none of a
   * snapshot, which has a second name of the file.
   */
  async makeRoom(limit: number): Promise<void> {
    const roots = [...this.list()].reverse();
    let size = roots.reduce((sum, root) => sum + root.size, 0);
    for (const root of roots) {
      if (size <= limit) return;
      if (this.isUsed(root) || !(await removeStored(this.#checked(), this.#path(root.id)))) continue;
      size -= root.size;
    }
  }

  /** True if a process or a snapshot uses the disk. */
  isUsed({ id, file }: BlockRoot): boolean {
    return folderUsers(this.#path(id)).length > 0 || (statSync(file, { throwIfNoEntry: false })?.nlink ?? 0) > 1;
  }

  #path(id: string): string {
    return join(this.#root, id);
  }

  #checked(): string {
    return makePrivateFolder(this.#root);
  }
}
