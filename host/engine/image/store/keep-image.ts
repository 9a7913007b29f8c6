import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { BlobStore } from "../../../../image/blob-store.ts";
import { copyImage } from "../../../../image/copy-image.ts";
import { ImageError } from "../../../../image/image-error.ts";
import type { Image } from "../../../../image/read-image.ts";
import { removeTree } from "../../../../lib/remove-tree.ts";
import type { ImageStore } from "./image-store.ts";
import { storeLimit } from "./make-room.ts";

export interface KeepOptions {
  /** Called with bytes so far and bytes in total. */
  readonly onProgress?: ((bytes: number, total: number) => void) | undefined;
  readonly signal: AbortSignal;
}

/**
 * Copies an image that was opened in `blobs` into the store, under a name if it has one. Returns true if the store had it
 * already. Throws ImageError, also for an image that is larger than the store may be.
 */
export async function keepImage(
  store: ImageStore,
  blobs: BlobStore,
  { digest, layers }: Pick<Image, "digest" | "layers">,
  name: string | undefined,
  { onProgress, signal }: KeepOptions,
): Promise<boolean> {
  if (store.list().some((each) => each.digest === digest)) {
    if (name !== undefined) store.setName(name, digest);
    return true;
  }
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  const limit = storeLimit();
  if (total > limit) {
    const how = "set GUESTCTL_IMAGE_LIMIT to a larger size, such as 20g";
    throw new ImageError(`its ${total} bytes are more than the ${limit} that the image store may have; ${how}`);
  }
  const staging = store.makeStaging();
  try {
    const layout = join(staging, "image");
    mkdirSync(layout, { mode: 0o700 });
    const findBlob = (blob: string) => store.findBlob(blob);
    await copyImage(blobs, digest, layout, {
      findBlob,
      signal,
      ...(onProgress === undefined ? {} : { onProgress: (bytes: number) => onProgress(bytes, total) }),
    });
    store.add(name, digest, layout);
  } finally {
    await removeTree(staging);
  }
  return false;
}
