import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { ImageError } from "../../../../image/image-error.ts";
import type { Image } from "../../../../image/read-image.ts";
import { removeTree } from "../../../../lib/remove-tree.ts";
import { storeLimit } from "../store/make-room.ts";
import { openSource, type RootfsSource } from "../unpack-rootfs.ts";
import { type BlockRoot, BlockStore } from "./block-store.ts";
import { DISK, makeBlockRoot } from "./make-block-root.ts";

/** The disk of an image, which isn't removed until disposal. */
export interface UsedBlockRoot extends Disposable {
  readonly root: BlockRoot;
  /** Env, Cmd, Entrypoint, User, WorkingDir. */
  readonly config: Image["config"];
}

export interface BlockRootOptions {
  /** Name of the container or guest that uses the disk. */
  readonly user: string;
  readonly signal?: AbortSignal | undefined;
  readonly store?: BlockStore;
  /** Bytes that all disks may have, and each of them. */
  readonly limit?: number;
}

type Content = Pick<Image, "digest" | "layers"> | { readonly folder: string };

/** Part of each id: disks of other versions of this code are not used. */
const FORMAT = "guestd-root-2";
/** Attempts to use a disk that other processes remove meanwhile. */
const ATTEMPTS = 3;

/**
 * Returns the disk of a root file system: from the store if it has one with the same layers, otherwise made now. A
 * directory is always read, and equal content gives an equal disk. Throws ImageError or the signal's reason.
 */
export async function blockRootOf(source: RootfsSource, options: BlockRootOptions): Promise<UsedBlockRoot> {
  const { user, signal, store = new BlockStore(), limit = storeLimit() } = options;
  await using image = "folder" in source ? undefined : await openSource(source, signal);
  const content: Content = image ?? (source as { readonly folder: string });
  const config = image?.config ?? {};
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const known = image === undefined ? undefined : store.find(idOfImage(image));
    const root = known ?? (await make(content, store, limit, signal));
    const use = store.use(root, user);
    if (use === undefined) continue;
    if (known === undefined) await store.makeRoom(limit);
    return { root, config, [Symbol.dispose]: () => use[Symbol.dispose]() };
  }
  throw new ImageError("make the disk of an image: other processes keep removing it; raise GUESTCTL_IMAGE_LIMIT");
}

/** Returns the disk of an image if the store has it. Throws ImageError. */
export async function knownBlockRoot(
  source: RootfsSource,
  { user, signal, store = new BlockStore() }: BlockRootOptions,
): Promise<UsedBlockRoot | undefined> {
  if ("folder" in source) return undefined;
  await using image = await openSource(source, signal);
  const root = store.find(idOfImage(image));
  const use = root && store.use(root, user);
  return use && { root, config: image.config, [Symbol.dispose]: () => use[Symbol.dispose]() };
}

async function make(
  content: Content,
  store: BlockStore,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<BlockRoot> {
  const staging = store.makeStaging();
  try {
    await makeBlockRoot(content, staging, { limit, signal });
    const id = "layers" in content ? idOfImage(content) : await idOfFile(join(staging, DISK));
    store.add(id, staging);
    const root = store.find(id);
    if (root !== undefined) return root;
  } finally {
    await removeTree(staging);
  }
  throw new ImageError("make the disk of an image: another process removed it; try again");
}

/**
 * The layers' digests were checked when the disk was made, so they determine its content. The image's own digest keeps an
 * image that only names another's layers from getting that one's disk.
 */
function idOfImage({ digest, layers }: Pick<Image, "digest" | "layers">): string {
  const parts = [FORMAT, digest, ...layers.map(({ diffId }) => diffId)];
  return createHash("sha256").update(parts.join("\n")).digest("hex");
}

async function idOfFile(path: string): Promise<string> {
  const hash = createHash("sha256").update(`${FORMAT} file\n`);
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}
