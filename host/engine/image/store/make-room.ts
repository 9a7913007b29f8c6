import { ImageError } from "../../../../image/image-error.ts";
import { parseSize } from "../../../../lib/parse-size.ts";
import type { ImageStore } from "./image-store.ts";

const DEFAULT_LIMIT = 10 * 2 ** 30;

/** Returns the bytes that the store may have: GUESTCTL_IMAGE_LIMIT, such as "20g", otherwise 10 GiB. */
export function storeLimit(text = process.env["GUESTCTL_IMAGE_LIMIT"]): number {
  if (text === undefined || text === "") return DEFAULT_LIMIT;
  const bytes = parseSize(text);
  if (bytes !== undefined) return bytes;
  throw new ImageError(`GUESTCTL_IMAGE_LIMIT=${text}: expected a size such as 20g; correct it or unset it`);
}

/**
 * Removes images until the store is within its limit: those not used for the longest time first, never one that a
 * container uses, and never `kept`. Returns the removed digests.
 */
export async function makeRoom(store: ImageStore, kept: string, limit = storeLimit()): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const image of [...store.list()].reverse()) {
    if (store.size() <= limit) break;
    if (image.digest === kept || image.containers.length > 0) continue;
    if (await store.remove(image)) removed.push(image.digest);
  }
  return removed;
}
