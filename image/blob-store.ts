import { createReadStream, createWriteStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { pipeline } from "node:stream/promises";
import { makeOwnedFolder } from "../lib/owned-folder.ts";
import { onProcessEnd } from "../lib/process-end.ts";
import { reason } from "../lib/reason.ts";
import { removeTree, removeTreeSync } from "../lib/remove-tree.ts";
import { temporaryPlace } from "../lib/safe-place.ts";
import { compressionOf, decompress } from "./decompress.ts";
import { ImageError } from "./image-error.ts";
import { tarEntries } from "./tar-entries.ts";

/** The files of an image, by their names in the layout. */
export interface BlobStore {
  /** Size in bytes; undefined when there is no such file. `said`: by its descriptor, for a store that can't look. */
  size(name: string, said?: number): Promise<number | undefined>;
  /** Its bytes; the caller asks for `size` first. */
  read(name: string): AsyncIterable<Uint8Array>;
  /** Removes what was unpacked to a temporary place, if anything. */
  close(): Promise<void>;
}

/** A directory, or a tar file, plain or compressed. */
export async function openBlobStore(path: string): Promise<BlobStore> {
  try {
    return (await stat(path)).isDirectory() ? directoryStore(path) : await tarStore(path);
  } catch (error) {
    throw new ImageError(`read image ${path}: ${reason(error)}`, { cause: error });
  }
}

/** An OCI layout as a directory. */
export function directoryStore(root: string): BlobStore {
  return {
    async size(name) {
      // Names come from the image.
      if (posix.normalize(`/${name}`) !== `/${name}`) return undefined;
      const found = await stat(join(root, name)).catch(() => undefined);
      return found?.isFile() ? found.size : undefined;
    },
    read: (name) => createReadStream(join(root, name)),
    async close() {},
  };
}

/** Where a file's content lies in the tar, or the name that stands for it (docker save links layers that are the same). */
type Place = { readonly start: number; readonly size: number } | { readonly link: string };

async function tarStore(path: string): Promise<BlobStore> {
  const file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0).finally(() => file.close());
  if (compressionOf(buffer.subarray(0, bytesRead)) === "none") return indexedStore(path, async () => {});
  return compressedStore(await decompress(createReadStream(path)));
}

/** A file in the middle of a compressed tar can't be reached: it is decompressed to a temporary file first. */
async function compressedStore(source: AsyncIterable<Uint8Array>): Promise<BlobStore> {
  const directory = makeOwnedFolder(join(temporaryPlace(), "guestd-image-"));
  const forget = onProcessEnd(() => removeTreeSync(directory));
  const remove = () => removeTree(directory).finally(forget);
  try {
    const path = join(directory, "image.tar");
    await pipeline(source, createWriteStream(path, { mode: 0o600 }));
    return await indexedStore(path, remove);
  } catch (error) {
    await remove();
    throw error;
  }
}

/** In the tar of an image, which has some for each layer: each costs a place in memory. */
const MOST_FILES = 20_000;

async function indexedStore(path: string, close: () => Promise<void>): Promise<BlobStore> {
  const places = new Map<string, Place>();
  for await (const { header } of tarEntries(createReadStream(path))) {
    if (places.size >= MOST_FILES) throw new ImageError(`more than ${MOST_FILES} files are in it`);
    const name = posix.normalize(header.name);
    if (header.type === "file") places.set(name, { start: header.byteOffset, size: header.size ?? 0 });
    if (header.type === "symlink") places.set(name, { link: posix.join(posix.dirname(name), header.linkname ?? "") });
    if (header.type === "link") places.set(name, { link: posix.normalize(header.linkname ?? "") });
  }
  const find = (name: string) => {
    let place = places.get(name);
    for (let hops = 0; place !== undefined && "link" in place && hops < 8; hops++) place = places.get(place.link);
    return place === undefined || "link" in place ? undefined : place;
  };
  return {
    size: async (name) => find(name)?.size,
    read(name) {
      const place = find(name);
      if (place === undefined || place.size === 0) return nothing();
      return createReadStream(path, { start: place.start, end: place.start + place.size - 1 });
    },
    close,
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
