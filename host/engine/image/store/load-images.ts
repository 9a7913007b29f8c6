import { type BlobStore, openBlobStore } from "../../../../image/blob-store.ts";
import { type NamedManifest, namedManifests } from "../../../../image/choose-manifest.ts";
import { ImageError } from "../../../../image/image-error.ts";
import { asObject, readJson } from "../../../../image/image-json.ts";
import { pinned } from "../../../../image/pinned-store.ts";
import { thisPlatform } from "../../../../image/platform.ts";
import { readStoredImage } from "../../../../image/read-image.ts";
import { savedAsLayout } from "../../../../image/saved-layout.ts";
import { reason } from "../../../../lib/reason.ts";
import { fullName } from "./image-name.ts";
import type { ImageStore, StoredImage } from "./image-store.ts";
import { type KeepOptions, keepImage } from "./keep-image.ts";
import { makeRoom, storeLimit } from "./make-room.ts";

export interface LoadedImage {
  readonly image: StoredImage;
  /** Full name; undefined if the archive has none for it. */
  readonly name?: string | undefined;
  readonly isKnown: boolean;
}

/**
 * Loads the images of an archive for this machine's platform into the store: of `docker save`, or of an OCI layout, as a tar
 * file, compressed or not, or as a directory. Throws one line; images before the failed one stay.
 */
export async function loadImages(
  store: ImageStore,
  path: string,
  options: KeepOptions,
): Promise<readonly LoadedImage[]> {
  try {
    const archive = await openBlobStore(path, storeLimit());
    try {
      const blobs = await layoutOf(archive);
      const index = asObject(await readJson(blobs, "index.json"), "index.json");
      const loaded: LoadedImage[] = [];
      for (const each of await namedManifests(blobs, index, thisPlatform())) {
        loaded.push(await loadOne(store, blobs, each, options));
      }
      for (const { image } of loaded.slice(-1)) await makeRoom(store, image.digest);
      return loaded;
    } finally {
      await archive.close();
    }
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason;
    throw new ImageError(`load ${path}: ${reason(error)}`, { cause: error });
  }
}

async function layoutOf(archive: BlobStore): Promise<BlobStore> {
  if ((await archive.size("index.json")) !== undefined) return archive;
  const saved = await readJson(archive, "manifest.json");
  if (saved !== undefined) return savedAsLayout(archive, saved);
  throw new ImageError("it contains neither index.json (OCI layout) nor manifest.json (docker save)");
}

async function loadOne(
  store: ImageStore,
  blobs: BlobStore,
  { name: text, digest }: NamedManifest,
  options: KeepOptions,
): Promise<LoadedImage> {
  const name = text === "" ? undefined : fullName(text);
  const stays = { ...pinned(blobs, digest), close: async () => undefined };
  await using opened = await readStoredImage(stays, digest, {});
  const isKnown = await keepImage(store, blobs, opened, name, options);
  const image = store.list().find((each) => each.digest === digest);
  if (image === undefined) throw new ImageError("another process removed it meanwhile; load it again");
  return { image, isKnown, name };
}
