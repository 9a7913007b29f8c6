import { fchmodSync, fchownSync, lchownSync } from "node:fs";
import { codeOf } from "./archive-error.ts";
import { CAPABILITIES, isAcl, type Member } from "./member.ts";
import type { TreeSys } from "./tree-sys.ts";

const SET_ID = 0o6000;

export interface AttributeOptions {
  readonly sys: TreeSys;
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
  setAll(fd: number, member: Member): void {
    const { sys, keepPrivileges, umask = 0 } = this.#options;
    this.setOwner(fd, member);
    fchmodSync(fd, member.mode & ~umask & (keepPrivileges ? ~0 : ~SET_ID));
    this.#setXattrs(fd, member);
    sys.setTimes(fd, member.atime, member.mtime);
  }

  /** Sets the owner of an open file, or of a link. Must come before the mode: it clears set-id bits. */
  setOwner(what: number | Buffer, { uid, gid }: Member): void {
    const { owners, mapUid = same, mapGid = same } = this.#options;
    if (owners === "mine") return;
    const [user, group] = owners === "keep" ? [mapUid(uid), mapGid(gid)] : [owners.uid, owners.gid];
    if (typeof what === "number") fchownSync(what, user, group);
    else lchownSync(what, user, group);
  }

  #setXattrs(fd: number, { xattrs }: Member): void {
    const { sys, keepPrivileges, owners } = this.#options;
    for (const [name, value] of xattrs) {
      if (name === CAPABILITIES ? !keepPrivileges : isAcl(name) ? owners !== "keep" : !name.startsWith("user."))
        continue;
      try {
        sys.setXattr(fd, name, value);
      } catch (error) {
        if (codeOf(error) !== "ENOTSUP" && codeOf(error) !== "EOPNOTSUPP") throw error;
        this.#leaveOut("extended attributes, which the destination can't store");
      }
    }
  }
}

const same = (id: number): number => id;
