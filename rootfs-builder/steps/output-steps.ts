import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../build-error.ts";
import { guestKernel } from "../debian/kernel-package.ts";
import { digestOf } from "../digest.ts";
import { makeOutput } from "../outputs/make-output.ts";
import { type ArtifactFile, writeArtifact } from "../outputs/oci-artifact.ts";
import { outputFile } from "../outputs/output-names.ts";
import { type GuestDescription, type GuestParts, makeGuest } from "../profiles/make-guest.ts";
import type { ProfileName } from "../profiles/profiles.ts";
import { readVersion } from "../read-version.ts";
import { type BuildContext, nativeFile } from "./context.ts";
import { rootKey, rootTree } from "./root-tree.ts";
import type { Step } from "./step.ts";

/** Folder of a guest's OCI layout, beside its files. */
const ARTIFACT = "oci";

/** Packs the root as one output in <to>/outputs. */
export function outputStep(context: BuildContext, output: string): Step {
  const directory = join(context.to, "outputs");
  const file = join(directory, outputFile(output));
  return {
    name: output,
    outputs: [file, `${file}.json`],
    key: () => rootKey(context),
    async build() {
      await makeOutput((await rootTree(context)).tree, output, directory);
    },
  };
}

/** Writes all that a VMM needs to <to>/<profile>. */
export function guestStep(context: BuildContext, profile: ProfileName, output: string): Step {
  const directory = join(context.to, profile);
  return {
    name: `guest for ${profile}`,
    outputs: [join(directory, "guest.json"), join(directory, outputFile(output))],
    async moreOutputs() {
      // An unreadable description wasn't written by a build, and is an output itself.
      const { files } = await readDescription(join(directory, "guest.json")).catch(() => ({ files: [] }));
      return files.map((file) => join(directory, file));
    },
    async key() {
      const { digests, vmlinux, modules } = context;
      const { image, signed = true } = await kernelOf(context);
      return digestOf(
        ...[await rootKey(context), output, await digests.file(image), String(signed)],
        // Debian's modules are from the same package as the image.
        vmlinux === undefined || modules === undefined ? "" : await digests.folder(modules, isOfModules),
        await digests.file(await nativeFile(context, "init")),
      );
    },
    async build() {
      const init = await readFile(await nativeFile(context, "init"));
      const { tree } = await rootTree(context);
      await makeGuest({ profile, output, tree, init, kernel: await kernelOf(context) }, directory);
      // It belongs to the previous guest; its own step recreates it if requested.
      await rm(join(directory, ARTIFACT), { recursive: true, force: true });
    },
  };
}

function isOfModules(path: string): boolean {
  return path.endsWith(".ko") || path === "modules.builtin";
}

/** Writes the same files as one OCI artifact, the layout <to>/<profile>/oci. */
export function artifactStep(context: BuildContext, profile: ProfileName): Step {
  const directory = join(context.to, profile);
  const target = join(directory, ARTIFACT);
  const description = join(directory, "guest.json");
  return {
    name: `artifact for ${profile}`,
    outputs: [join(target, "index.json")],
    async key() {
      const { files } = await readDescription(description);
      const all = ["guest.json", ...files].map((file) => context.digests.file(join(directory, file)));
      return digestOf(...(await Promise.all(all)));
    },
    async build() {
      const guest = await readDescription(description);
      const annotations = {
        "org.opencontainers.image.version": await readVersion(context.root),
        "dev.guestd.profile": profile,
      };
      await writeArtifact(directory, artifactFiles(guest), target, annotations);
    },
  };
}

function artifactFiles(guest: GuestDescription): readonly ArtifactFile[] {
  const named = (file: string | undefined, role: string, mediaType: string): ArtifactFile[] =>
    file === undefined ? [] : [{ file, role, mediaType }];
  const { kernel, initrd, root, files } = guest;
  const whole = initrd === root.file;
  const known = new Set([kernel, initrd, root.file]);
  return [
    ...named(kernel, "kernel", "application/vnd.guestd.kernel"),
    ...named(initrd, "initrd", "application/vnd.guestd.initrd"),
    ...(whole ? [] : named(root.file, "root", "application/vnd.guestd.root.raw")),
    ...files.filter((file) => !known.has(file)).flatMap((file) => named(file, "configuration", "application/json")),
    ...named("guest.json", "description", "application/json"),
  ];
}

async function readDescription(path: string): Promise<GuestDescription> {
  return JSON.parse(await readFile(path, "utf8"));
}

/** Returns a custom kernel, with modules if a folder is given; otherwise Debian's with its modules. */
async function kernelOf(context: BuildContext): Promise<GuestParts["kernel"]> {
  const { vmlinux, modules, inputs, signedModules: signed = false } = context;
  if (vmlinux !== undefined) {
    await check("kernel", vmlinux, false);
    if (modules !== undefined) await check("modules", modules, true);
    return { image: vmlinux, modules };
  }
  return { ...(await guestKernel(await inputs.kernelRelease())), signed };
}

/** Checks that a custom kernel's file or folder exists. */
async function check(what: string, path: string, folder: boolean): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new BuildError(`${what} ${path}: no such ${folder ? "folder" : "file"}`);
  if (folder ? !found.isDirectory() : !found.isFile())
    throw new BuildError(`${what} ${path}: not a ${folder ? "folder" : "file"}`);
}
