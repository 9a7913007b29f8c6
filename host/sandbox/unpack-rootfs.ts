import { chmod, mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { type Image, readImage } from "../../image/read-image.ts";
import { removeTree } from "../../lib/remove-tree.ts";
import { type UnpackOptions, type UnpackReport, unpack } from "../image/unpack.ts";
import { makeVolumePlaces, moveIn, type Volume } from "./shared-folder.ts";

export interface UnpackedImage extends UnpackReport {
  /** Env, Cmd, Entrypoint, User, WorkingDir. */
  readonly config: Image["config"];
  readonly layers: number;
}

/**
 * Unpacks the image file or directory `path` out of reach of the guest with the shared folder `directory`, then moves
 * it to the container's place there. Throws ImageError, or Error if the guest has put something in that place.
 */
export async function unpackRootfs(
  path: string,
  directory: string,
  container: string,
  options: UnpackOptions & { readonly name?: string | undefined; readonly volumes?: readonly Volume[] } = {},
): Promise<UnpackedImage> {
  await using image = await readImage(path, options.name === undefined ? {} : { name: options.name });
  const staging = await mkdtemp(join(directory, "unpacking-"));
  try {
    const made = join(staging, container);
    const rootfs = join(made, "rootfs");
    await mkdir(rootfs, { recursive: true });
    // The container's own users need access too, whatever the umask.
    for (const each of [made, rootfs]) await chmod(each, 0o755);
    const report = await unpack(image, rootfs, options);
    await makeVolumePlaces(made, options.volumes ?? []);
    await moveIn(directory, container, made);
    return { ...report, config: image.config, layers: image.layers.length };
  } finally {
    await removeTree(staging);
  }
}

/** Creates and moves in a directory with mount points only, for the volumes of a container whose root is elsewhere. */
export async function moveInVolumes(directory: string, container: string, volumes: readonly Volume[]): Promise<void> {
  if (volumes.length === 0) return;
  const staging = await mkdtemp(join(directory, "unpacking-"));
  try {
    const made = join(staging, container);
    await mkdir(made);
    await chmod(made, 0o755);
    await makeVolumePlaces(made, volumes);
    await moveIn(directory, container, made);
  } finally {
    await removeTree(staging);
  }
}
