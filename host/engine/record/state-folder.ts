import { randomUUID } from "node:crypto";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ifThere } from "../../../lib/if-there.ts";
import { namesIn } from "../../../lib/names-in.ts";
import { FolderError } from "../../../lib/safe-place.ts";
import { OperationError } from "../../operation-error.ts";
import { checkPrivateFolder, makePrivateFolder, makeTemporaryFolder } from "../../private-folder.ts";
import { moveFolder } from "../../stored-folder.ts";

/** Folder in the root for what isn't complete: directories that are being made or removed. */
const STAGING = ".staging";
const REMOVED = "removed-";

/**
 * The folder of the records that this user's guestctl processes share, with a directory per guest, which appears and
 * disappears at once. Each use, even to read, checks that the folder belongs to this user alone, so every method may throw
 * FolderError.
 */
export class StateFolder {
  readonly #root: string;

  constructor(root = defaultRoot()) {
    this.#root = root;
  }

  /** Returns the names of all guests that have a directory, sorted. */
  guests(): readonly string[] {
    const root = this.#checked(checkPrivateFolder);
    return root === undefined ? [] : namesIn(root).filter((name) => !name.startsWith("."));
  }

  /** Returns the path of a file beside the guests' directories; undefined if the folder doesn't exist. */
  file(name: string): string | undefined {
    const root = this.#checked(checkPrivateFolder);
    return root === undefined ? undefined : join(root, `.${name}`);
  }

  /** Returns the folder, and creates it if necessary. */
  get root(): string {
    return this.#checked(makePrivateFolder);
  }

  /** Creates a guest's directory with the files that `fill` writes there. Returns false if the guest has one. */
  create(guest: string, fill: (directory: string) => void): boolean {
    const staging = makeTemporaryFolder("making-", this.#staging());
    try {
      const made = join(staging, guest);
      mkdirSync(made, { mode: 0o700 });
      fill(made);
      return moveFolder(made, join(this.root, guest));
    } finally {
      rmSync(staging, { recursive: true, force: true });
    }
  }

  /** Returns what `write` returns, which writes into a guest's directory. Throws OperationError if it was removed. */
  change<T>(guest: string, write: (directory: string) => T): T {
    const directory = join(this.root, guest);
    const result = ifThere(() => [write(directory)]);
    if (result === undefined) throw new OperationError(`guest ${guest}: it has ended meanwhile`, { kind: "stopped" });
    return result[0] as T;
  }

  /** Returns the path of a guest's directory, or undefined if the folder doesn't exist. */
  find(guest: string): string | undefined {
    const root = this.#checked(checkPrivateFolder);
    return root === undefined ? undefined : join(root, guest);
  }

  /** Removes a guest's directory, and the rest of those whose removal was interrupted. */
  remove(guest: string): void {
    const directory = this.find(guest);
    if (directory === undefined) return;
    const staging = this.#staging();
    ifThere(() => renameSync(directory, join(staging, REMOVED + randomUUID())));
    for (const name of namesIn(staging))
      if (name.startsWith(REMOVED)) rmSync(join(staging, name), { recursive: true, force: true });
  }

  #staging(): string {
    return makePrivateFolder(join(this.root, STAGING));
  }

  /** In /tmp only its owner and root can remove another user's folder, so the error also suggests a different folder. */
  #checked<T>(check: (path: string) => T): T {
    try {
      return check(this.#root);
    } catch (error) {
      if (!(error instanceof FolderError)) throw error;
      throw new FolderError(`${error.message}, or set XDG_RUNTIME_DIR to a folder of yours`, { cause: error });
    }
  }
}

function defaultRoot(): string {
  return join(process.env["XDG_RUNTIME_DIR"] || "/tmp", `guestd-${process.geteuid?.() ?? 0}`);
}
