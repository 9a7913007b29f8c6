import { statSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../../../lib/names-in.ts";
import { onProcessEnd } from "../../../lib/process-end.ts";
import { removeTree, removeTreeSync } from "../../../lib/remove-tree.ts";
import { folderUsers, useFolder } from "../../folder-uses.ts";
import { OperationError } from "../../operation-error.ts";
import { makePrivateFolder, makeTemporaryFolder } from "../../private-folder.ts";
import { lastUse, removeStored, storeFolder } from "../../stored-folder.ts";
import { userCache } from "../../vm/paths.ts";
import { FILES, type Manifest, readManifest, WRITABLE } from "../../vm/snapshot/manifest.ts";

/** A snapshot in the store. */
export interface StoredTemplate {
  readonly name: string;
  /** Folder with the snapshot, for `SandboxGuest.restore`. */
  readonly path: string;
  /** Bytes on the disk. */
  readonly size: number;
  /** ISO 8601. */
  readonly usedAt: string;
  /** Guests that are being started from it. */
  readonly guests: readonly string[];
  /** Undefined if it is damaged or of another guestctl, so that it can only be removed. */
  readonly manifest: Manifest | undefined;
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/**
 * Templates and snapshots of this user, in a folder of the user's cache that only the user can access: they contain
 * memory. Each is complete from the moment it appears. Several processes can use the store at once, without a lock. Every
 * method may throw FolderError.
 */
export class TemplateStore {
  readonly #root: string;

  constructor(root = userCache("templates")) {
    this.#root = root;
  }

  /** Returns the templates, the last used first. */
  async list(): Promise<readonly StoredTemplate[]> {
    const templates = await Promise.all(namesIn(this.#folder()).map((name) => this.find(name)));
    return templates.filter((each) => each !== undefined).sort((a, b) => b.usedAt.localeCompare(a.usedAt));
  }

  /** Returns a template, or undefined if the store doesn't have it. Throws OperationError if the name isn't valid. */
  async find(name: string): Promise<StoredTemplate | undefined> {
    const path = this.#path(name);
    const used = lastUse(path);
    if (used === undefined) return undefined;
    const manifest = await readManifest(path).catch(() => undefined);
    return { name, path, size: sizeOf(path), usedAt: used.toISOString(), guests: folderUsers(path), manifest };
  }

  /** Like `find`, but throws OperationError if the store doesn't have the template. */
  async get(name: string): Promise<StoredTemplate> {
    const found = await this.find(name);
    if (found !== undefined) return found;
    throw new OperationError(`template ${name}: no such template; guestctl template ls lists them`);
  }

  /**
   * Notes that this process starts a guest from a template, which is not removed until disposal or the end of the
   * process. Throws OperationError if it is being removed.
   */
  use({ name, path }: StoredTemplate, guest: string): Disposable {
    const use = useFolder(path, guest);
    if (use === undefined)
      throw new OperationError(`template ${name}: another process has removed it; create it again`);
    return use;
  }

  /**
   * Adds the snapshot that `make` writes to a new folder. It appears once it is complete; if `make` fails or the process
   * ends, nothing stays. Throws OperationError if the name is taken, before or afterwards.
   */
  async create(name: string, make: (directory: string) => Promise<unknown>): Promise<StoredTemplate> {
    const path = this.#path(name);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) throw taken(name);
    const staging = makeTemporaryFolder("creating-", this.#checked());
    const forget = onProcessEnd(() => removeTreeSync(staging));
    try {
      const made = join(staging, "template");
      await make(made);
      if (!storeFolder(made, path)) throw taken(name);
    } finally {
      await removeTree(staging);
      forget();
    }
    return await this.get(name);
  }

  /** Removes a template. Returns false if a guest is being started from it; guests that run don't need it. */
  async remove({ path }: StoredTemplate): Promise<boolean> {
    return removeStored(this.#checked(), path);
  }

  #path(name: string): string {
    if (NAME.test(name)) return join(this.#folder(), name);
    const rule = "use up to 63 lower-case letters, digits, dots, hyphens and underscores";
    throw new OperationError(`template ${JSON.stringify(name)}: not a valid name; ${rule}`, {
      kind: "invalid-argument",
    });
  }

  #folder(): string {
    return makePrivateFolder(join(this.#checked(), "named"));
  }

  #checked(): string {
    return makePrivateFolder(this.#root);
  }
}

function taken(name: string): OperationError {
  return new OperationError(`template ${name}: it already exists; remove it with guestctl template rm ${name}`);
}

/** Returns the bytes that a template has on the disk; holes take none. */
function sizeOf(path: string): number {
  const copies = namesIn(path).filter((name) => name.startsWith(WRITABLE));
  const found = [...Object.values(FILES), ...copies].map((file) =>
    statSync(join(path, file), { throwIfNoEntry: false }),
  );
  return found.reduce((sum, file) => sum + (file === undefined ? 0 : file.blocks * 512), 0);
}
