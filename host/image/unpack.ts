import { mkdirSync, readdirSync } from "node:fs";
import { type ApplyReport, applyLayers } from "../../image/apply-layers.ts";
import { ImageError } from "../../image/image-error.ts";
import type { Image } from "../../image/read-image.ts";
import { TreeWriter } from "../../image/tree-writer.ts";
import { plainAccess } from "./plain-access.ts";

export interface UnpackOptions {
  /** Give files the owners of the image. Default: when root runs this, as only root may. */
  readonly keepOwners?: boolean;
  /** Bytes of the layers' plain content so far. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

export type UnpackReport = ApplyReport;

/**
 * Applies an image's layers to a directory, which is made or is empty. Nothing outside it is written, whatever the image
 * says. Throws ImageError; the directory then holds a part of the image and is the caller's to remove.
 */
export async function unpack(
  image: Pick<Image, "layers">,
  directory: string,
  options: UnpackOptions = {},
): Promise<UnpackReport> {
  mkdirSync(directory, { recursive: true });
  if (readdirSync(directory).length > 0) throw new ImageError(`unpack image to ${directory}: it is not empty`);
  const { onProgress, signal, keepOwners = process.getuid?.() === 0 } = options;
  const writer = new TreeWriter(directory, plainAccess, keepOwners);
  const devices = keepOwners ? {} : { devices: "devices, as only root may make them" };
  const leftOut = { xattrs: "extended attributes", ...devices };
  try {
    const report = await applyLayers(image.layers, writer, { leftOut, onProgress, signal });
    const owners = keepOwners ? [] : ["owners of files: all are yours, as only root may give files away"];
    return { ...report, notes: [...report.notes, ...owners] };
  } finally {
    await writer.finish();
  }
}
