import { createReadStream, createWriteStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { pipeline } from "node:stream/promises";
import { tarEntries } from "../lib/archive/tar-entries.ts";
import { makeOwnedFolder } from "../lib/owned-folder.ts";
import { onProcessEnd } from "../lib/process-end.ts";
import { reason } from "../lib/reason.ts";
import { removeTree, removeTreeSync } from "../lib/remove-tree.ts";
import { temporaryPlace } from "../lib/safe-place.ts";
import { compressionOf, decompress } from "./decompress.ts";
import { ImageError } from "./image-error.ts";
import { overLimit } from "./over-limit.ts";

/** The files of an image, addressed by their names in the layout. */
export interface BlobStore {
  /**
   * Returns a file's size in bytes, or undefined if it doesn't exist. `declared` is the size in its descriptor, for a
   * store that can't look it up.
   */
  size(name: string, declared?: number): Promise<number | undefined>;
  /** Returns a file's bytes. The caller calls `size` first. */
  read(name: string): AsyncIterable<Uint8Array>;
  /** Removes the temporary files, if there are any. */
  close(): Promise<void>;
}

/** Opens a directory or a tar file, plain or compressed: one that has more than `maxBytes` decompressed is refused. */
export async function openBlobStore(path: string, maxBytes = Number.POSITIVE_INFINITY): Promise<BlobStore> {
  try {
    return (await stat(path)).isDirectory() ? directoryStore(path) : await tarStore(path, maxBytes);
  } catch (error) {
    throw new ImageError(`read image ${path}: ${reason(error)}`, { cause: error });
  }
}

/** Returns a store for an OCI layout in a directory. */
export function directoryStore(root: string): BlobStore {
  return {
    async size(name) {
      // The image chooses the names: one must not lead out of the directory.
      if (posix.normalize(`/${name}`) !== `/${name}`) return undefined;
      const found = await stat(join(root, name)).catch(() => undefined);
      return found?.isFile() ? found.size : undefined;
    },
    read: (name) => createReadStream(join(root, name)),
    async close() {},
  };
}

/** Position of a file's content in the tar, or the file it links to (docker save links identical layers). */
type Place = { readonly start: number; readonly size: number } | { readonly link: string };

async function tarStore(path: string, maxBytes: number): Promise<BlobStore> {
  const file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0).finally(() => file.close());
  if (compressionOf(buffer.subarray(0, bytesRead)) === "none") return indexedStore(path, async () => {});
  return compressedStore(atMost(maxBytes, await decompress(createReadStream(path))));
}

/** Decompresses the tar to a temporary file, because a compressed tar can't be read from the middle. */
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

async function* atMost(maxBytes: number, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw overLimit("decompressed, it needs", maxBytes);
    yield chunk;
  }
}

/** Limit for the files in an image's tar, each of which takes memory. An image has a few files for each layer. */
const MAX_FILES = 20_000;

async function indexedStore(path: string, close: () => Promise<void>): Promise<BlobStore> {
  const places = new Map<string, Place>();
  for await (const { header } of tarEntries(createReadStream(path))) {
    if (places.size >= MAX_FILES) throw new ImageError(`it contains more than ${MAX_FILES} files`);
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
