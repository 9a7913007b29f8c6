import { mkdirSync, renameSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { namesIn } from "../../../lib/names-in.ts";
import { parseSize } from "../../../lib/parse-size.ts";
import { removeTree } from "../../../lib/remove-tree.ts";
import { imageUsers, removeUnused, useImage, usesOf } from "../../image-store/image-uses.ts";
import { userCache } from "../../image-store/user-cache.ts";
import { FILES, type Manifest, readManifest } from "../../machine/snapshot/manifest.ts";
import { OperationError } from "../../operation-error.ts";
import { makePrivateFolder, makeTemporaryFolder } from "../../private-folder.ts";

const DEFAULT_LIMIT = 10 * 2 ** 30;
/** Names of folders in progress begin with the two words that a template's can't. */
const NAME = /^(?!saving-|removing-)[A-Za-z0-9][\w.-]{0,63}$/;
/** Bytes of the unit in which a file system counts what a file takes. */
const BLOCK = 512;

/** A snapshot in the store. */
export interface Template {
  readonly name: string;
  readonly directory: string;
  readonly manifest: Manifest;
  /** Bytes that it takes on the disk. */
  readonly bytes: number;
  /** Guests that are being started from it. */
  readonly users: readonly string[];
}

/**
 * Snapshots of this user by name, in a folder of the user's cache that only the user can access: they contain the memory of
 * guests. A snapshot is complete from the moment it appears, and never changes. Several processes can use the store at
 * once. Every method may throw FolderError or OperationError.
 */
export class TemplateStore {
  readonly #root: string;

  constructor(root = userCache("templates")) {
    this.#root = root;
  }

  /** Returns the templates, sorted by name. One that can't be read is left out. */
  async list(): Promise<readonly Template[]> {
    const names = namesIn(this.#checked()).filter((name) => NAME.test(name) && this.#exists(name));
    const found = await Promise.allSettled(names.sort().map((name) => this.find(name)));
    return found.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  }

  /** Throws OperationError if there is none, and MachineError if it is damaged. */
  async find(name: string): Promise<Template> {
    const directory = this.#path(name);
    if (!this.#exists(name)) {
      const known = namesIn(this.#checked()).filter((each) => NAME.test(each) && this.#exists(each));
      const there = known.length === 0 ? "create one with guestctl template create" : `there are ${known.join(", ")}`;
      throw new OperationError(`template ${name}: no such template; ${there}`);
    }
    const manifest = await readManifest(directory);
    const sizes = [FILES.memory, FILES.state].map(async (file) => (await stat(join(directory, file))).blocks * BLOCK);
    const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    return { name, directory, manifest, bytes, users: imageUsers(directory) };
  }

  /** Throws OperationError if the name is wrong or taken. */
  checkFree(name: string): void {
    if (!NAME.test(name)) {
      const rule = "use letters, digits, _ . and -, at most 64, and neither saving- nor removing- at its beginning";
      throw new OperationError(`template ${JSON.stringify(name)}: not a name; ${rule}`);
    }
    if (this.#exists(name)) {
      throw new OperationError(
        `template ${name}: exists already; guestctl template rm ${name}, or choose another name`,
      );
    }
  }

  /** Has `save` write a snapshot to a new folder, then removes those not used for the longest time to be within the limit. */
  async add(name: string, save: (directory: string) => Promise<Manifest>, limit = templateLimit()): Promise<Template> {
    this.checkFree(name);
    const directory = join(this.#checked(), name);
    await save(directory).catch((error: NodeJS.ErrnoException) => {
      if (["ENOTEMPTY", "EEXIST"].includes(error.code ?? "")) this.checkFree(name);
      throw error;
    });
    mkdirSync(usesOf(directory), { mode: 0o700 });
    const added = await this.find(name);
    await this.#makeRoom(name, limit);
    return added;
  }

  /**
   * Notes that this process starts guests from a template, so that no other process removes it, until disposal or the
   * process's end. Throws OperationError if there is none.
   */
  async use(name: string, guest: string): Promise<Template & Disposable> {
    const template = await this.find(name);
    const use = useImage(template.directory, guest);
    if (use === undefined) throw new OperationError(`template ${name}: it is being removed; create it again`);
    return { ...template, [Symbol.dispose]: () => use[Symbol.dispose]() };
  }

  /** Removes a template. Guests that run are not affected. Throws OperationError if guests are being started from it. */
  async remove(name: string): Promise<void> {
    const { users } = await this.find(name);
    if (await this.#remove(name)) return;
    throw new OperationError(`template ${name}: guests are being started from it: ${users.join(", ")}; try again`);
  }

  async #makeRoom(kept: string, limit: number): Promise<void> {
    const usedAt = ({ directory }: Template) => statSync(usesOf(directory), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const templates = (await this.list()).map((each) => [usedAt(each), each] as const).sort(([a], [b]) => a - b);
    let size = templates.reduce((sum, [, { bytes }]) => sum + bytes, 0);
    for (const [, { name, bytes }] of templates) {
      if (size <= limit) return;
      if (name !== kept && (await this.#remove(name))) size -= bytes;
    }
  }

  /** Returns false if it is in use. */
  async #remove(name: string): Promise<boolean> {
    const staging = makeTemporaryFolder("removing-", this.#checked());
    try {
      return removeUnused(this.#path(name), () => renameSync(this.#path(name), join(staging, name)));
    } finally {
      await removeTree(staging);
    }
  }

  #exists(name: string): boolean {
    return statSync(join(this.#path(name), FILES.manifest), { throwIfNoEntry: false }) !== undefined;
  }

  #path(name: string): string {
    return join(this.#root, name);
  }

  #checked(): string {
    return makePrivateFolder(this.#root);
  }
}

/** Returns the bytes that all templates may take: GUESTCTL_TEMPLATE_LIMIT, such as "20g", otherwise 10 GiB. */
export function templateLimit(text = process.env["GUESTCTL_TEMPLATE_LIMIT"]): number {
  if (text === undefined || text === "") return DEFAULT_LIMIT;
  const bytes = parseSize(text);
  if (bytes !== undefined) return bytes;
  throw new OperationError(`GUESTCTL_TEMPLATE_LIMIT=${text}: expected a size such as 20g; correct it or unset it`);
}
