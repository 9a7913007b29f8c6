import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { BuildError } from "../build-error.ts";
import { buildInitramfs } from "../initramfs/initramfs.ts";
import { type KernelModule, resolveModules } from "../initramfs/modules.ts";
import { isKernel } from "../inspect/kernel-image.ts";
import { vmlinuxOf } from "../kernel/vmlinux.ts";
import { type MadeOutput, makeOutput } from "../outputs/make-output.ts";
import { kernelType, outputNamed } from "../outputs/output-names.ts";
import type { Tree } from "../tree/tree.ts";
import { withTemporary } from "../with-temporary.ts";
import { writeJson } from "../write-files.ts";
import type { Profile, Start } from "./profile.ts";
import { outputOf, type ProfileName, profileNamed } from "./profiles.ts";

export interface GuestParts {
  readonly profile: ProfileName;
  /** One of `OUTPUTS` that the profile accepts. */
  readonly output: string;
  readonly tree: Tree;
  /** The static init. */
  readonly init: Buffer;
  readonly kernel: {
    /** A bzImage or an ELF file. */
    readonly image: string;
    /** lib/modules/<release>; without it, the kernel has everything built in that it needs. */
    readonly modules?: string | undefined;
    /** Keeps the modules' signatures; the default is true. */
    readonly signed?: boolean;
  };
}

/** Content of guest.json. */
export interface GuestDescription {
  readonly profile: ProfileName;
  readonly root: MadeOutput;
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
  /** Modules of the initramfs, in loading order. */
  readonly modules: readonly string[];
  readonly starts: readonly Start[];
  /** All files of the guest, except guest.json. */
  readonly files: readonly string[];
}

const DESCRIPTION = "guest.json";
const INITRD = "initrd.cpio";

/**
 * Writes all that a VMM needs into `directory`: the kernel, the initramfs that finds the root, the root, the VMM's
 * configuration, and guest.json, which says how to start it. Each file appears by rename.
 */
export async function makeGuest(parts: GuestParts, directory: string): Promise<GuestDescription> {
  const profile = profileNamed(parts.profile);
  const name = outputOf(parts.profile, [parts.output]);
  const output = outputNamed(name);
  const modules = await modulesOf(parts, profile, name);
  const whole = output.kind === "initramfs";
  const kernelFile = await kernelOf(parts, profile);
  const before = await filesBefore(directory);
  const root = await makeOutput(parts.tree, name, directory, whole ? { modules } : {});
  const kernel = kernelFile?.name;
  if (kernelFile !== undefined) await put(directory, kernelFile.name, kernelFile.content);
  const stage = whole || modules.length === 0 ? undefined : INITRD;
  if (stage !== undefined) await put(directory, stage, buildInitramfs({ init: parts.init, modules }));
  const starts = profile.starts({ kernel: kernel ?? "vmlinux", initrd: whole ? root.file : stage, root });
  const configurations = starts.flatMap((start) => Object.entries(start.configuration ?? {}));
  for (const [file, value] of configurations) await writeJson(join(directory, file), value);
  const files = [kernel, stage, root.file, ...configurations.map(([file]) => file)];
  const description: GuestDescription = {
    profile: parts.profile,
    root,
    kernel,
    initrd: whole ? root.file : stage,
    modules: modules.map((module) => module.name),
    starts,
    files: files.filter((file) => file !== undefined),
  };
  await writeJson(join(directory, DESCRIPTION), description);
  const kept = description.files.flatMap((file) => [file, `${file}.json`]);
  for (const file of before) if (!kept.includes(file)) await rm(join(directory, file), { force: true });
  return description;
}

/** Returns the files that the last build wrote to the folder, from its guest.json. */
async function filesBefore(directory: string): Promise<readonly string[]> {
  try {
    const { files, root }: GuestDescription = JSON.parse(await readFile(join(directory, DESCRIPTION), "utf8"));
    return [...files, `${root.file}.json`].filter((file) => basename(file) === file);
  } catch {
    return [];
  }
}

async function modulesOf(parts: GuestParts, profile: Profile, name: string): Promise<readonly KernelModule[]> {
  if (parts.kernel.modules === undefined || profile.kernel === "the host's") return [];
  const output = outputNamed(name);
  const wanted = profile.modules(name);
  const fileSystem = output.kind === "initramfs" ? [] : [kernelType(output.fileSystem)];
  const verity = output.kind === "file system" && output.layout === "verity-disk" ? ["dm_verity"] : [];
  // containers' layers are EROFS, whatever the root is
  return resolveModules(parts.kernel.modules, [...wanted, "erofs", ...fileSystem, ...verity], parts.kernel);
}

async function kernelOf({ kernel }: GuestParts, profile: Profile) {
  if (profile.kernel === "the host's") return undefined;
  const image = await readFile(kernel.image);
  const isElf = image.toString("latin1", 0, 4) === "\x7fELF";
  if (!isElf && !isKernel(image)) throw new BuildError(`kernel ${kernel.image}: neither an ELF file nor a bzImage`);
  if (profile.kernel === "vmlinux" || isElf) return { name: "vmlinux", content: await vmlinuxOf(image, kernel.image) };
  return { name: "vmlinuz", content: image };
}

async function put(directory: string, file: string, content: Buffer): Promise<void> {
  await withTemporary(directory, async (work) => {
    await writeFile(join(work, file), content);
    await rename(join(work, file), join(directory, file));
  });
}
