import { ArchiveError } from "../../../lib/archive/archive-error.ts";
import type { TreeFiles } from "../../../lib/archive/tree-files.ts";
import { EnteredMounts } from "../../container/contained-tree.ts";
import { idMaps } from "../../container/id-maps.ts";
import { servedTree } from "../../container/served-tree.ts";
import type { ContainedFiles, FileRoot, Served } from "../../kernel/files/contained-files.ts";

/** Directories of the guest that the host may write to. Its other files are the agent's own. */
const WRITABLE = ["/run/kata-containers/shared/containers", "/tmp"];

/** A root, and what the copy's own server has open below it; disposing ends the server. */
export class CopyPlace implements Disposable {
  readonly files: TreeFiles;
  readonly ids: ReturnType<typeof idMaps>;
  readonly #served: Served;
  readonly #mounts: EnteredMounts;
  readonly #opened = new DisposableStack();

  /** `pid` is a process that has the root's mounts. */
  constructor(contained: ContainedFiles, root: FileRoot, pid: number | "self") {
    this.ids = idMaps(pid);
    this.#served = this.#opened.use(contained.open(root)).files;
    this.#mounts = new EnteredMounts(this.#served, pid);
    this.files = servedTree(this.#served, this.#mounts);
  }

  /** Opens a path as a process with this root would; the last name is followed too. */
  async open(path: string, flags: number): Promise<number> {
    return (await this.#mounts.openPath(path, flags)).handle;
  }

  /** Throws unless the host may write to a directory of the guest. */
  async checkWritable(dir: number): Promise<void> {
    const path = await this.#served.path(dir);
    if (WRITABLE.some((root) => path === root || path.startsWith(`${root}/`))) return;
    const line = `${path} is not writable for hosts; copy to a place below ${WRITABLE.join(" or ")}`;
    throw new ArchiveError("permission-denied", line);
  }

  /** Passes the ownership of the server. */
  move(): DisposableStack {
    return this.#opened.move();
  }

  [Symbol.dispose](): void {
    this.#opened.dispose();
  }
}
