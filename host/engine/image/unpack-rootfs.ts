import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ImageError } from "../../../image/image-error.ts";
import { type Image, readImage } from "../../../image/read-image.ts";
import { removeTree } from "../../../lib/remove-tree.ts";
import { kindInText } from "../../text-kind.ts";
import { makeVolumePlaces, moveIn, type Volume } from "../guest/shared-folder.ts";
import { storeLimit } from "./store/make-room.ts";
import { type UnpackOptions, type UnpackReport, unpack } from "./unpack.ts";

export interface UnpackedImage extends UnpackReport {
  /** Env, Cmd, Entrypoint, User, WorkingDir. */
  readonly config: Image["config"];
  readonly layers: number;
}

/** Where a container's root file system comes from. */
export type RootfsSource =
  /** A file or directory that `readImage` can read; with the name of the image if it holds several. */
  | { readonly path: string; readonly name?: string | undefined }
  /** A directory that is the root file system; it is copied. */
  | { readonly folder: string }
  /** Opens an image from elsewhere. */
  | { open(signal: AbortSignal | undefined): Promise<Image> };

const run = promisify(execFile);

/**
 * Puts a root file system together out of reach of the guest with the shared folder `directory`, then moves it to the
 * container's place there. Throws ImageError, or Error if the guest has put something in that place.
 */
export async function unpackRootfs(
  source: RootfsSource,
  directory: string,
  container: string,
  options: UnpackOptions & { readonly volumes?: readonly Volume[] } = {},
): Promise<UnpackedImage> {
  await using image = "folder" in source ? undefined : await openSource(source, options.signal);
  const staging = await mkdtemp(join(directory, "unpacking-"));
  try {
    const made = join(staging, container);
    const rootfs = join(made, "rootfs");
    await mkdir(rootfs, { recursive: true });
    // The container's own users need access too, whatever the umask.
    for (const each of [made, rootfs]) await chmod(each, 0o755);
    const report = image === undefined ? undefined : await unpack(image, rootfs, options);
    if ("folder" in source) await copyFolder(source.folder, rootfs, options.signal);
    await makeVolumePlaces(made, options.volumes ?? []);
    await moveIn(directory, container, made);
    const { config, layers } = image ?? { config: {}, layers: [] };
    return { ...(report ?? { entries: 0, notes: [] }), config, layers: layers.length };
  } finally {
    await removeTree(staging);
  }
}

/** Opens the image of a source. The caller closes it. */
export function openSource(
  source: Exclude<RootfsSource, { folder: string }>,
  signal: AbortSignal | undefined,
): Promise<Image> {
  if ("open" in source) return source.open(signal);
  const { path, name } = source;
  return readImage(path, { maxBytes: storeLimit(), name });
}

/** Copies the content of a directory with everything that cp preserves. Throws ImageError. */
async function copyFolder(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await run("cp", ["-a", "--reflink=auto", "--", `${from}/.`, to], { signal });
  } catch (error) {
    signal?.throwIfAborted();
    const [line = ""] = `${(error as { readonly stderr?: string }).stderr}`.split("\n", 1);
    throw new ImageError(`copy root file system ${from}: ${line || (error as Error).message}`, {
      cause: error,
      kind: kindInText(line),
    });
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
