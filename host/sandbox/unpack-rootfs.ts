import { type Image, readImage } from "../../image/read-image.ts";
import type { RootfsPlace } from "../image/image-config.ts";
import { type UnpackOptions, type UnpackReport, unpack } from "../image/unpack.ts";
import { makeRootfs } from "./shared-folder.ts";

export interface UnpackedImage extends UnpackReport {
  /** Env, Cmd, Entrypoint, User, WorkingDir. */
  readonly config: Image["config"];
  readonly layers: number;
}

/** Unpacks the image file or directory `path` to the place of a container's rootfs. Throws ImageError. */
export async function unpackRootfs(
  path: string,
  place: RootfsPlace,
  options: UnpackOptions & { readonly name?: string } = {},
): Promise<UnpackedImage> {
  await using image = await readImage(path, options.name === undefined ? {} : { name: options.name });
  await makeRootfs(place);
  const report = await unpack(image, place.host, options);
  return { ...report, config: image.config, layers: image.layers.length };
}
