import { chmodSync, lstatSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { isIdentifier } from "../../../lib/identifier.ts";
import { namesIn } from "../../../lib/names-in.ts";
import { removeTreeSync } from "../../../lib/remove-tree.ts";
import { folderUsers, useFolder } from "../../folder-uses.ts";
import { OperationError } from "../../operation-error.ts";
import { checkPrivateFolder, makePrivateFolder, makeTemporaryFolder } from "../../private-folder.ts";
import { removeStored, storeFolder } from "../../stored-folder.ts";
import { userData } from "../../vm/paths.ts";

export interface StoredVolume {
  readonly name: string;
  /** Folder that containers see. Its content, mode and owner are theirs to change. */
  readonly path: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** Names of the containers that use it: on record, running or ended, or being started. */
  readonly containers: readonly string[];
}

/**
 * Named volumes of this user: for each a folder that only the user can access, which holds the containers' folder. Each is
 * complete from the moment it appears. Several processes can use the store at once, without a lock. Every method may throw
 * FolderError, and OperationError for a name that isn't valid.
 */
export class VolumeStore {
  readonly #root: string;

  constructor(root = userData("volumes")) {
    this.#root = root;
  }

  /** Returns the volumes, sorted by name. */
  list(): readonly StoredVolume[] {
    const names = namesIn(this.#folder()).filter(isIdentifier);
    return names.flatMap((name) => this.find(name) ?? []);
  }

  /** Returns a volume, or undefined if it doesn't exist. */
  find(name: string): StoredVolume | undefined {
    const folder = checkPrivateFolder(this.#path(name));
    const found = folder === undefined ? undefined : lstatSync(folder, { throwIfNoEntry: false });
    if (folder === undefined || found === undefined) return undefined;
    // The last change of its entries, which stay.
    const createdAt = found.mtime.toISOString();
    return { name, path: join(folder, "data"), createdAt, containers: folderUsers(folder) };
  }

  /** Like `find`, but throws OperationError if the volume doesn't exist. */
  get(name: string): StoredVolume {
    const found = this.find(name);
    if (found !== undefined) return found;
    throw new OperationError(`volume ${name}: no such volume; guestctl volume ls lists them`, { kind: "not-found" });
  }

  /** Creates a volume unless it exists. */
  create(name: string): StoredVolume {
    const found = this.find(name);
    if (found !== undefined) return found;
    const staging = makeTemporaryFolder("creating-", this.#checked());
    try {
      const made = join(staging, "volume");
      const data = join(made, "data");
      mkdirSync(made, { mode: 0o700 });
      mkdirSync(data);
      // A container's users other than root need access too, whatever the umask.
      chmodSync(data, 0o755);
      storeFolder(made, this.#path(name));
    } finally {
      removeTreeSync(staging);
    }
    const made = this.find(name);
    if (made === undefined) throw beingRemoved(name);
    return made;
  }

  /**
   * Creates a volume unless it exists, and notes that this process starts a container with it, until disposal. From then on the
   * container's record keeps the volume, if it names it; any folder of records, such as another session's, will do.
   */
  use(name: string, container: string, record: string): Pick<StoredVolume, "path"> & Disposable {
    const { path } = this.create(name);
    const use = useFolder(dirname(path), container, { record, volume: name });
    if (use === undefined) throw beingRemoved(name);
    return { path, [Symbol.dispose]: () => use[Symbol.dispose]() };
  }

  /** Removes a volume with its files. Rejects with OperationError if a container uses it. */
  async remove(name: string): Promise<void> {
    const folder = dirname(this.get(name).path);
    if (await removeStored(this.#checked(), folder)) return;
    throw inUse(name, folderUsers(folder));
  }

  #path(name: string): string {
    if (isIdentifier(name)) return join(this.#folder(), name);
    const rule = "use 2 to 100 letters, digits, dots, hyphens and underscores, with a letter or digit first";
    throw new OperationError(`volume ${JSON.stringify(name.slice(0, 100))}: not a valid name; ${rule}`, {
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

function beingRemoved(name: string): OperationError {
  return new OperationError(`volume ${name}: another process is removing it; try again`);
}

function inUse(name: string, users: readonly string[]): OperationError {
  const remedy = users.length === 0 ? "try again" : `guestctl rm ${users.join(" ")} first`;
  return new OperationError(`volume ${name}: used by ${users.join(", ") || "another process"}; ${remedy}`);
}
