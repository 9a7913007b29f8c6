import { join } from "node:path";
import { BuildError } from "../build-error.ts";
import { digestOf, FileDigests } from "../digest.ts";
import { exists } from "../exists.ts";
import { type ImageInputs, plainInputs } from "../image/image-inputs.ts";
import type { RuntimeName } from "../image/runtimes.ts";
import type { ProfileName } from "../profiles/profiles.ts";

/** What is packed: a guest of our own with its kernel, or what a Kata host boots with its. */
export const FORMATS = ["guest", "kata-image", "kata-initrd"] as const;
export type Format = (typeof FORMATS)[number];

export interface BuildOptions {
  /** Absolute path of the repository. */
  readonly root: string;
  /** Absolute path of the folder for the outputs: agent/ and image/ come to be in it. */
  readonly to: string;
  /** The agent's entry, absolute; agent/main.ts if not given. */
  readonly entry?: string;
  /** With init, Node, the agent and what they need; true if not given. */
  readonly agent?: boolean;
  /** An image with a shell. */
  readonly debug?: boolean;
  /** With the Rego engine. */
  readonly policy?: boolean;
  /** Kernel modules for dm-verity in the initramfs. */
  readonly verity?: boolean;
  /** Modules of Debian's kernel keep their signatures. */
  readonly signedModules?: boolean;
  /** OCI runtimes beside the agent's launcher. */
  readonly runtimes?: readonly RuntimeName[];
  /** `guest` if not given. */
  readonly formats?: readonly Format[];
  /** Of the Kata image; true if not given. */
  readonly daxHeader?: boolean;
  /** Names of outputs to be made of the root; with a profile the one that it starts. */
  readonly outputs?: readonly string[];
  readonly profile?: ProfileName;
  /** The guest of the profile as an OCI artifact too. */
  readonly artifact?: boolean;
  /** Of the profile: another kernel than Debian's, and the folder lib/modules/<release> that fits it. */
  readonly vmlinux?: string | undefined;
  readonly modules?: string | undefined;
  /** `uname -r` of a kernel in the cache; the newest if not given. */
  readonly kernelRelease?: string;
}

/** What all steps share. */
export interface BuildContext extends BuildOptions {
  readonly digests: FileDigests;
  /** Digest of the builder itself. */
  readonly builder: string;
  readonly inputs: ImageInputs;
}

/** @param inputsOf what a recipe gives; packages of the cache and nothing more if not given */
export async function openContext(
  options: BuildOptions,
  inputsOf: (digests: FileDigests) => ImageInputs = () => plainInputs(options.kernelRelease),
): Promise<BuildContext> {
  const digests = await FileDigests.open(join(options.to, "image", ".digests.json"));
  const folders = ["rootfs-builder", "image"].map((name) => digests.folder(join(options.root, name), isSource));
  const builder = digestOf(...(await Promise.all(folders)));
  return { ...options, digests, builder, inputs: inputsOf(digests) };
}

/** Files of ours that decide what is built: no tests, no test data. */
export function isSource(path: string): boolean {
  return /\.(ts|js|cjs|proto)$/.test(path) && !/\.test\.ts$|(^|\/)testdata\//.test(path);
}

/** A file that another build command makes. */
export async function nativeFile({ root }: BuildContext, name: string): Promise<string> {
  const path = join(root, "build", "native", name);
  if (!(await exists(path))) throw new BuildError(`${path} is not there: run npm run build`);
  return path;
}
