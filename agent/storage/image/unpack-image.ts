import { realpathSync, statfsSync } from "node:fs";
import { applyLayers } from "../../../image/apply-layers.ts";
import type { Image } from "../../../image/read-image.ts";
import type { TreeAccess } from "../../../image/tree-access.ts";
import { TreeWriter } from "../../../image/tree-writer.ts";
import { AgentError } from "../../kernel/error.ts";
import { type AccessSys, confinedAccess } from "./confined-access.ts";

/** What the guest itself needs of the file system that images are in: bytes, files. */
const RESERVED = { bytes: 16 << 20, files: 1024 };
/** How often that is looked at. */
const LOOK_EVERY = { bytes: 4 << 20, files: 512 };
/** Of a layer; each costs the agent 50 bytes of its heap of 64 MiB while the layer is applied. */
const MAX_ENTRIES = 500_000;
/** `paths` are as many as V8's set holds before it doubles once more. */
const LIMITS = { directories: MAX_ENTRIES / 8, pathLength: 4 << 20, paths: 1 << 19 };

/** Applies the layers to an empty directory. On failure it holds a part of the image. */
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

/** Throws before an image has taken what the guest needs, which a small layer, or a few long names, can grow to. */
function watchRoom(directory: string) {
  let bytes = 0;
  let [nextBytes, files] = [0, 0];
  const look = () => {
    const { blocks, bavail, bsize, files: all, ffree } = statfsSync(directory);
    // A tmpfs without a limit says that it has no blocks at all.
    if ((blocks === 0 || bavail * bsize > RESERVED.bytes) && (all === 0 || ffree > RESERVED.files)) return;
    const what = "give the guest more memory, or a disk at /run/kata-containers/image";
    throw new AgentError("resource-exhausted", `no room is left for it after ${bytes} bytes; ${what}`);
  };
  return {
    onProgress(now: number): void {
      bytes = now;
      if (bytes < nextBytes) return;
      nextBytes = bytes + LOOK_EVERY.bytes;
      look();
    },
    /** All that is made is made through `entry`. */
    before:
      (entry: TreeAccess["entry"]): TreeAccess["entry"] =>
      (path, use) => {
        if (++files % LOOK_EVERY.files === 0) look();
        return entry(path, use);
      },
  };
}
