import { realpathSync, statfsSync } from "node:fs";
import { applyLayers } from "../../../image/apply-layers.ts";
import type { Image } from "../../../image/read-image.ts";
import { TreeWriter } from "../../../image/tree-writer.ts";
import { AgentError } from "../../kernel/error.ts";
import { type AccessSys, confinedAccess } from "./confined-access.ts";

/** What the guest itself needs of the file system that images are in: bytes, files. */
const RESERVED = { bytes: 16 << 20, files: 1024 };
const LOOK_EVERY = 4 << 20;
/** Of a layer; each costs the agent 50 bytes of its heap of 64 MiB while the layer is applied. */
const MAX_ENTRIES = 500_000;

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
    const writer = new TreeWriter(root, access, true);
    await applyLayers(layers, writer, { signal, maxEntries: MAX_ENTRIES, onProgress: watchRoom(root) });
    writer.finish();
  } finally {
    access.close();
  }
}

/** Throws before an image has taken what the guest needs, which a small layer can grow to. */
function watchRoom(directory: string): (bytes: number) => void {
  let next = 0;
  return (bytes) => {
    if (bytes < next) return;
    next = bytes + LOOK_EVERY;
    const { blocks, bavail, bsize, files, ffree } = statfsSync(directory);
    // A tmpfs without a limit says that it has no blocks at all.
    if ((blocks === 0 || bavail * bsize > RESERVED.bytes) && (files === 0 || ffree > RESERVED.files)) return;
    const what = "give the guest more memory, or a disk at /run/kata-containers/image";
    throw new AgentError("resource-exhausted", `no room is left for it after ${bytes} bytes; ${what}`);
  };
}
