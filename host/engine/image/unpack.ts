import { mkdirSync, readdirSync } from "node:fs";
import { type ApplyReport, applyLayers } from "../../../image/apply-layers.ts";
import { ImageError } from "../../../image/image-error.ts";
import type { Image } from "../../../image/read-image.ts";
import { TreeWriter } from "../../../image/tree-writer.ts";
import { isRoot } from "../../../lib/is-root.ts";
import { plainAccess } from "./plain-access.ts";
import { storeLimit } from "./store/make-room.ts";

export interface UnpackOptions {
  /** Give files the image's owners. Default: true for root, as only root can. */
  readonly keepOwners?: boolean;
  /** Uncompressed bytes that the layers may have. Default: GUESTCTL_IMAGE_LIMIT. */
  readonly maxBytes?: number;
  /** Called with the number of uncompressed layer bytes so far. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

export type UnpackReport = ApplyReport;

/**
 * Applies an image's layers to a directory that is empty or doesn't exist. Never writes outside it, whatever the image
 * contains. Throws ImageError; the directory then holds a part of the image, which the caller has to remove.
 */
export async function unpack(
  image: Pick<Image, "layers">,
  directory: string,
  options: UnpackOptions = {},
): Promise<UnpackReport> {
  mkdirSync(directory, { recursive: true });
  if (readdirSync(directory).length > 0)
    throw new ImageError(`unpack image to ${directory}: the directory is not empty`);
  const { onProgress, signal, keepOwners = isRoot(), maxBytes = storeLimit() } = options;
  const writer = new TreeWriter(directory, plainAccess, keepOwners);
  const devices = keepOwners ? {} : { devices: "devices, which only root can create" };
  const leftOut = { xattrs: "extended attributes", ...devices };
  try {
    const report = await applyLayers(image.layers, writer, { leftOut, maxBytes, onProgress, signal });
    const owners = keepOwners ? [] : ["owners of files: all files are yours, as only root can change owners"];
    return { ...report, notes: [...report.notes, ...owners] };
  } finally {
    await writer.finish();
  }
}
