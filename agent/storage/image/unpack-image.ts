import { realpathSync, statfsSync } from "node:fs";
import { applyLayers } from "../../../image/apply-layers.ts";
import type { Image } from "../../../image/read-image.ts";
import type { TreeAccess } from "../../../image/tree-access.ts";
import { TreeWriter } from "../../../image/tree-writer.ts";
import { AgentError } from "../../kernel/error.ts";
import { type AccessSys, confinedAccess } from "./confined-access.ts";

/** Bytes and inodes of the image file system that the guest itself needs. */
const RESERVED = { bytes: 16 << 20, files: 1024 };
/** Free space is checked each time this much has been written. */
const LOOK_EVERY = { bytes: 4 << 20, files: 512 };
/** Most entries in one layer. Each needs 50 bytes of the agent's 64 MiB heap while the layer is applied. */
const MAX_ENTRIES = 500_000;
/** `paths` is the number that V8's set holds before it doubles once more. */
const LIMITS = { directories: MAX_ENTRIES / 8, pathLength: 4 << 20, paths: 1 << 19 };

/** Applies layers to an empty directory. On failure the directory holds part of the image. */
export async function unpackImage(
  sys: AccessSys,
  { layers }: Pick<Image, "layers">,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  const root = realpathSync(directory);
  const access = confinedAccess(sys, root);
  try {
    const room = watchRoom(root);
    const writer = new TreeWriter(root, { ...access, entry: room.before(access.entry) }, true, LIMITS);
    await applyLayers(layers, writer, { signal, maxEntries: MAX_ENTRIES, onProgress: room.onProgress });
    await writer.finish();
  } finally {
    access.close();
  }
}

/**
 * Throws before an image takes the space that the guest needs. Even a small layer, or a few long names, can grow that
 * large.
 */
function watchRoom(directory: string) {
  let bytes = 0;
  let [nextBytes, files] = [0, 0];
  const look = () => {
    const { blocks, bavail, bsize, files: all, ffree } = statfsSync(directory);
    // A tmpfs without a limit reports 0 blocks.
    if ((blocks === 0 || bavail * bsize > RESERVED.bytes) && (all === 0 || ffree > RESERVED.files)) return;
    const what = "give the guest more memory, or a disk at /run/kata-containers/image";
    throw new AgentError("resource-exhausted", `no space is left for it after ${bytes} bytes; ${what}`);
  };
  return {
    onProgress(now: number): void {
      bytes = now;
      if (bytes < nextBytes) return;
      nextBytes = bytes + LOOK_EVERY.bytes;
      look();
    },
    /** Every entry is created through `entry`. */
    before:
      (entry: TreeAccess["entry"]): TreeAccess["entry"] =>
      (path, use) => {
        if (++files % LOOK_EVERY.files === 0) look();
        return entry(path, use);
      },
  };
}
