import { codeOf } from "./archive-error.ts";
import { CAPABILITIES, isAcl, type Member } from "./member.ts";
import type { TreeFiles } from "./tree-files.ts";

const SET_ID = 0o6000;

export interface AttributeOptions {
  readonly files: TreeFiles;
  /** "keep": those of the archive. "mine": nothing is changed. Or these, for everything. */
  readonly owners: "keep" | "mine" | { readonly uid: number; readonly gid: number };
  /** Keeps set-user-id and set-group-id bits and file capabilities. */
  readonly keepPrivileges: boolean;
  /** Permission bits that no member gets. Default: none. */
  readonly umask?: number;
  /** Owners as this side counts them. */
  readonly mapUid?: (id: number) => number;
  readonly mapGid?: (id: number) => number;
}

/** Applies owner, mode, extended attributes and times of members, as far as the options keep them. */
export class MemberAttributes {
  readonly #options: AttributeOptions;
  readonly #leaveOut: (kind: string) => void;

  constructor(options: AttributeOptions, leaveOut: (kind: string) => void) {
    this.#options = options;
    this.#leaveOut = leaveOut;
  }

  /** Sets owner, mode, extended attributes and times of an open file or directory. */
  async setAll(fd: number, member: Member): Promise<void> {
    const { files } = this.#options;
    await this.setOwner(fd, member);
    await files.chmod(fd, this.modeOf(member));
    await this.#setXattrs(fd, member);
    await files.setTimes(fd, member.atime, member.mtime);
  }

  /** Sets the owner of an open file, or of a link (O_PATH). Must come before the mode: it clears set-id bits. */
  async setOwner(fd: number, member: Member): Promise<void> {
    const owner = this.ownerOf(member);
    if (owner !== undefined) await this.#options.files.chown(fd, owner.uid, owner.gid);
  }

  /** Returns undefined if the owner stays. */
  ownerOf({ uid, gid }: Member): { readonly uid: number; readonly gid: number } | undefined {
    const { owners, mapUid = same, mapGid = same } = this.#options;
    if (owners === "mine") return undefined;
    return owners === "keep" ? { uid: mapUid(uid), gid: mapGid(gid) } : owners;
  }

  modeOf({ mode }: Member): number {
    const { keepPrivileges, umask = 0 } = this.#options;
    return mode & ~umask & (keepPrivileges ? ~0 : ~SET_ID);
  }

  async #setXattrs(fd: number, { xattrs }: Member): Promise<void> {
    const { files, keepPrivileges, owners } = this.#options;
    for (const [name, value] of xattrs) {
      if (name === CAPABILITIES ? !keepPrivileges : isAcl(name) ? owners !== "keep" : !name.startsWith("user."))
        continue;
      try {
        await files.setXattr(fd, name, value);
      } catch (error) {
        if (codeOf(error) !== "ENOTSUP" && codeOf(error) !== "EOPNOTSUPP") throw error;
        this.#leaveOut("extended attributes, which the destination can't store");
      }
    }
  }
}

const same = (id: number): number => id;
