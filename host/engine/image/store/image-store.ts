import { createHash } from "node:crypto";
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ImageError } from "../../../../image/image-error.ts";
import { blobName } from "../../../../image/image-json.ts";
import { ifThere } from "../../../../lib/if-there.ts";
import { namesIn } from "../../../../lib/names-in.ts";
import { folderUsers, useFolder } from "../../../folder-uses.ts";
import { makePrivateFolder, makeTemporaryFolder } from "../../../private-folder.ts";
import { lastUse, removeStored, storeFolder } from "../../../stored-folder.ts";
import { userCache } from "../../../vm/paths.ts";
import { fullName } from "./image-name.ts";

/** An image in the store. */
export interface StoredImage {
  /** Digest of the manifest for this machine; the image's id. */
  readonly digest: string;
  /** Full names, sorted; empty if all names belong to newer images now. */
  readonly names: readonly string[];
  /** Bytes of its files, which it may share with other images. */
  readonly size: number;
  /** ISO 8601. */
  readonly pulledAt: string;
  readonly usedAt: string;
  /** Containers that use it. */
  readonly containers: readonly string[];
  /** OCI layout that holds only this image. */
  readonly path: string;
}

interface NameRecord {
  readonly name: string;
  readonly digest: string;
}

const ID = /^(?:sha256:)?([0-9a-f]{4,64})$/;

/**
 * Images of this user, in a folder of the user's cache that only the user can access. Each image is an OCI layout of its
 * own, complete from the moment it appears; equal layers are hard links. Several processes can use the store at once,
 * without a lock. Every method may throw FolderError.
 */
export class ImageStore {
  readonly #root: string;

  constructor(root = userCache("images")) {
    this.#root = root;
  }

  /** Returns the images, the last used first. */
  list(): readonly StoredImage[] {
    const names = this.#names();
    const images = namesIn(this.#folder("layouts")).flatMap((hex) => this.#read(hex, names) ?? []);
    return images.sort((a, b) => b.usedAt.localeCompare(a.usedAt));
  }

  /**
   * Finds an image by its name or by the beginning of its id; `name` is set for a name. Throws ImageError if an id is
   * ambiguous, RegistryError if the name isn't valid.
   */
  find(text: string): { readonly image: StoredImage; readonly name?: string } | undefined {
    const images = this.list();
    const id = ID.exec(text)?.[1];
    const name = id !== undefined && text.startsWith("sha256:") ? undefined : fullName(text);
    const named = images.find(({ names }) => name !== undefined && names.includes(name));
    if (named !== undefined && name !== undefined) return { image: named, name };
    const [image, second] = images.filter(({ digest }) => id !== undefined && digest.startsWith(`sha256:${id}`));
    if (second !== undefined)
      throw new ImageError(`image ${text}: ambiguous id; guestctl images --no-trunc prints whole ids`);
    return image && { image };
  }

  /**
   * Notes that a container of this process uses an image, which is not removed until disposal or the end of the
   * process. Returns undefined if the image isn't in the store any more.
   */
  use({ path }: StoredImage, container: string): Disposable | undefined {
    return useFolder(path, container);
  }

  /** Returns the path of a verified file with this digest, of any image. */
  findBlob(digest: string): string | undefined {
    const paths = namesIn(this.#folder("layouts")).map((hex) => join(this.#folder("layouts"), hex, blobName(digest)));
    return paths.find((path) => statSync(path, { throwIfNoEntry: false }) !== undefined);
  }

  /** Creates a folder beside the images for a new one. If the process is killed, a later pull removes it. */
  makeStaging(): string {
    return makeTemporaryFolder("pulling-", this.#checked());
  }

  /** Adds the complete layout in `staging`, under a name if it has one, unless the store has the image already. */
  add(name: string | undefined, digest: string, staging: string): void {
    storeFolder(staging, this.#path(digest));
    if (name !== undefined) this.setName(name, digest);
  }

  /** Gives an image a name, which another one may have had. */
  setName(name: string, digest: string): void {
    const path = this.#namePath(name);
    const temporary = `${path}.${process.pid}.tmp`;
    writeFileSync(temporary, JSON.stringify({ name, digest } satisfies NameRecord), { mode: 0o600 });
    renameSync(temporary, path);
  }

  removeName(name: string): void {
    rmSync(this.#namePath(name), { force: true });
  }

  /** Removes an image with its names. Returns false if a container uses it and `force` isn't set. */
  async remove(image: StoredImage, { force = false } = {}): Promise<boolean> {
    if (!(await removeStored(this.#checked(), image.path, { force }))) return false;
    for (const name of image.names) if (this.#digestOf(name) === image.digest) this.removeName(name);
    return true;
  }

  /** Returns the bytes of all images; a file that several share counts once. */
  size(): number {
    const files = new Map<number, number>();
    for (const { path } of this.list()) for (const [inode, size] of filesOf(path)) files.set(inode, size);
    return [...files.values()].reduce((sum, size) => sum + size, 0);
  }

  #read(hex: string, names: readonly NameRecord[]): StoredImage | undefined {
    const path = join(this.#folder("layouts"), hex);
    const digest = `sha256:${hex}`;
    const index = statSync(join(path, "index.json"), { throwIfNoEntry: false });
    const used = lastUse(path);
    if (index === undefined || used === undefined) return undefined;
    return {
      digest,
      path,
      size: filesOf(path).reduce((sum, [, size]) => sum + size, 0),
      names: names.filter((each) => each.digest === digest).map(({ name }) => name),
      pulledAt: index.mtime.toISOString(),
      usedAt: used.toISOString(),
      containers: folderUsers(path),
    };
  }

  #names(): readonly NameRecord[] {
    const folder = this.#folder("names");
    const records = namesIn(folder).filter((file) => file.endsWith(".json"));
    return records.flatMap((file) => readName(join(folder, file)) ?? []).sort((a, b) => a.name.localeCompare(b.name));
  }

  #digestOf(name: string): string | undefined {
    return readName(this.#namePath(name))?.digest;
  }

  #namePath(name: string): string {
    return join(this.#folder("names"), `${createHash("sha256").update(name).digest("hex")}.json`);
  }

  #path(digest: string): string {
    return join(this.#folder("layouts"), digest.slice("sha256:".length));
  }

  #folder(name: "layouts" | "names"): string {
    return makePrivateFolder(join(this.#checked(), name));
  }

  #checked(): string {
    return makePrivateFolder(this.#root);
  }
}

function readName(path: string): NameRecord | undefined {
  const text = ifThere(() => readFileSync(path, "utf8"));
  return text === undefined ? undefined : (JSON.parse(text) as NameRecord);
}

/** Returns inode and size of an image's blobs; none if it is removed meanwhile. */
function filesOf(image: string): readonly (readonly [inode: number, size: number])[] {
  const folder = join(image, "blobs/sha256");
  return namesIn(folder).flatMap((name) => {
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    return found === undefined ? [] : [[found.ino, found.size] as const];
  });
}
