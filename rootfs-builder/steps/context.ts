import { join } from "node:path";
import { BuildError } from "../build-error.ts";
import { digestOf, FileDigests } from "../digest.ts";
import { exists } from "../exists.ts";
import { type ImageInputs, plainInputs } from "../image/image-inputs.ts";
import type { RuntimeName } from "../image/runtimes.ts";
import type { ProfileName } from "../profiles/profiles.ts";

/** Formats: our own guest with its kernel, or an image for a Kata host's kernel. */
export const FORMATS = ["guest", "kata-image", "kata-initrd", "oci-image"] as const;
export type Format = (typeof FORMATS)[number];

export interface BuildOptions {
  /** Absolute path of the repository. */
  readonly root: string;
  /** Absolute path of the output folder, which receives agent/ and image/. */
  readonly to: string;
  /** Absolute path of the agent's entry; defaults to agent/main.ts. */
  readonly entry?: string;
  /** Includes init, Node, the agent and their dependencies; the default is true. */
  readonly agent?: boolean;
  /** Includes a shell. */
  readonly debug?: boolean;
  /** Includes the Rego engine. */
  readonly policy?: boolean;
  /** Includes kernel modules for dm-verity in the initramfs. */
  readonly verity?: boolean;
  /** Keeps the signatures of Debian's kernel modules. */
  readonly signedModules?: boolean;
  /** Additional OCI runtimes. */
  readonly runtimes?: readonly RuntimeName[];
  /** Defaults to `guest`. */
  readonly formats?: readonly Format[];
  /** Adds the DAX header to the Kata image; the default is true. */
  readonly daxHeader?: boolean;
  /** Names of outputs to pack the root in; with a profile, the one that it starts. */
  readonly outputs?: readonly string[];
  readonly profile?: ProfileName;
  /** Also writes the profile's guest as an OCI artifact. */
  readonly artifact?: boolean;
  /** Custom kernel for the profile, and the matching folder lib/modules/<release>. */
  readonly vmlinux?: string | undefined;
  readonly modules?: string | undefined;
  /** `uname -r` of a kernel in the cache; by default, the newest. */
  readonly kernelRelease?: string;
}

/** State shared by all steps. */
export interface BuildContext extends BuildOptions {
  readonly digests: FileDigests;
  /** Digest of the builder itself. */
  readonly builder: string;
  readonly inputs: ImageInputs;
}

/** @param inputsOf returns a recipe's inputs; by default, only packages from the cache */
export async function openContext(
  options: BuildOptions,
  inputsOf: (digests: FileDigests) => ImageInputs = () => plainInputs(options.kernelRelease),
): Promise<BuildContext> {
  const digests = await FileDigests.open(join(options.to, "image", ".digests.json"));
  const folders = ["rootfs-builder", "image", "lib"].map((name) => digests.folder(join(options.root, name), isSource));
  const builder = digestOf(...(await Promise.all(folders)));
  return { ...options, digests, builder, inputs: inputsOf(digests) };
}

/** True for our own files that determine the result: no tests or test data. */
export function isSource(path: string): boolean {
  return /\.(ts|js|cjs|proto)$/.test(path) && !/\.test\.ts$|(^|\/)(testdata|testing)\//.test(path);
}

/** Returns the path of a file that another build command creates. */
export async function nativeFile({ root }: BuildContext, name: string): Promise<string> {
  const path = join(root, "build", "native", name);
  if (!(await exists(path))) throw new BuildError(`${path} does not exist: run npm run build`);
  return path;
}
