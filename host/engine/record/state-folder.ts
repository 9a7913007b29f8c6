import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../../../lib/names-in.ts";
import { FolderError } from "../../../lib/safe-place.ts";
import { checkPrivateFolder, makePrivateFolder } from "../../private-folder.ts";

/**
 * The folder of the records that this user's guestctl processes share, with a directory per guest. Each use, even to read,
 * checks that the folder belongs to this user alone, so every method may throw FolderError.
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

  /** Returns a guest's directory; creates it if necessary. */
  create(guest: string): string {
    const path = join(this.#checked(makePrivateFolder), guest);
    mkdirSync(path, { mode: 0o700, recursive: true });
    return path;
  }

  /** Returns the path of a guest's directory, or undefined if the folder doesn't exist. */
  find(guest: string): string | undefined {
    const root = this.#checked(checkPrivateFolder);
    return root === undefined ? undefined : join(root, guest);
  }

  remove(guest: string): void {
    const directory = this.find(guest);
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
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
