import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import type { BundleFile } from "../bundle/size-report.ts";
import { debianPackage } from "../debian/debian-package.ts";
import { guestKernel } from "../debian/kernel-package.ts";
import { type PackageFacts, packageFacts } from "../debian/package-facts.ts";
import { digestOf } from "../digest.ts";
import { packagedNode } from "../image/stripped-node.ts";
import { cyclonedx } from "../manifest/cyclonedx.ts";
import { type BootFiles, describeBoot } from "../manifest/describe-boot.ts";
import { describeTree } from "../manifest/describe-tree.ts";
import { MANIFEST, type Manifest, SBOM, type Source } from "../manifest/manifest.ts";
import {
  debianSource,
  GUEST_LIBRARIES,
  nodeSources,
  npmSource,
  readNpmLock,
  staticSources,
} from "../manifest/sources.ts";
import type { GuestDescription } from "../profiles/make-guest.ts";
import { readVersion } from "../read-version.ts";
import { writeJson } from "../write-files.ts";
import type { BuildContext } from "./context.ts";
import { allPackages, rootKey, rootTree } from "./root-tree.ts";
import type { Step } from "./step.ts";

/** Writes what a build's outputs contain and where each part comes from, also as an SBOM. Runs after all outputs. */
export function manifestStep(context: BuildContext): Step {
  const { to, root, digests } = context;
  const [manifestFile, sbomFile] = [join(to, MANIFEST), join(to, SBOM)];
  return {
    name: "manifest",
    outputs: [manifestFile, sbomFile],
    async key() {
      const files = (await bootFiles(context)).flatMap(({ kernel, initrd, below = "" }) => [
        below,
        kernel,
        initrd ?? "",
      ]);
      const boot = await Promise.all(files.map((file) => (isAbsolute(file) ? digests.file(file) : file)));
      return digestOf(await rootKey(context), await digests.file(join(root, "package-lock.json")), ...boot);
    },
    async build() {
      const manifest = await makeManifest(context);
      await writeJson(manifestFile, manifest);
      await writeJson(sbomFile, cyclonedx(manifest));
    },
  };
}

async function makeManifest(context: BuildContext): Promise<Manifest> {
  const { root, digests, agent = true } = context;
  const packages = await Promise.all(
    (await allPackages(context)).map(async (one) => packageFacts(one, await digests.file(one.file))),
  );
  const files = describeTree((await rootTree(context)).tree, packages);
  const boot = await bootOf(context);
  const used = new Set([...files, ...boot.files].map(({ from }) => from));
  const sources = [
    ...[...packages, ...boot.packages].map(debianSource).filter(({ id }) => used.has(id)),
    ...(agent ? await ownSources(context) : []),
  ];
  const version = await readVersion(root);
  return { format: 1, version, sources: sources.sort((a, b) => (a.id < b.id ? -1 : 1)), files, boot: boot.files };
}

/** Describes our own kernel and initramfs. */
async function bootOf(context: BuildContext) {
  const boot = await bootFiles(context);
  if (boot.length === 0) return { files: [], packages: [] };
  const facts = await kernelFacts(context);
  const files = await Promise.all(boot.map((one) => describeBoot(one, facts)));
  return { files: files.flat(), packages: facts };
}

/** Returns the facts of Debian's kernel package; none for a custom kernel. */
async function kernelFacts({ vmlinux, inputs, digests }: BuildContext): Promise<readonly PackageFacts[]> {
  if (vmlinux !== undefined) return [];
  const { release } = await guestKernel(await inputs.kernelRelease());
  const one = await debianPackage(`linux-image-${release}`).catch(() => undefined);
  return one === undefined ? [] : [await packageFacts(one, await digests.file(one.file))];
}

/** Returns our own kernels and initramfs, of the guest and the profile; none if the host has its own. */
async function bootFiles({ to, profile, formats = ["guest"] }: BuildContext): Promise<readonly BootFiles[]> {
  const image = join(to, "image");
  const guest = formats.includes("guest")
    ? [{ kernel: join(image, "vmlinuz"), initrd: join(image, "initrd.cpio"), whole: false }]
    : [];
  if (profile === undefined) return guest;
  const { kernel, initrd, root }: GuestDescription = JSON.parse(
    await readFile(join(to, profile, "guest.json"), "utf8"),
  );
  if (kernel === undefined) return guest;
  const at = (file: string) => join(to, profile, file);
  const below = guest.length === 0 ? {} : { below: `${profile}/` };
  const ofProfile = { kernel: at(kernel), initrd: initrd === undefined ? undefined : at(initrd), ...below };
  return [...guest, { ...ofProfile, whole: initrd === root.file }];
}

/** Returns what is built into our own files: npm packages, Node with its libraries, C libraries. */
async function ownSources({ root, to }: BuildContext): Promise<readonly Source[]> {
  const lock = await readNpmLock(root);
  const bundles: readonly BundleFile[] = JSON.parse(await readFile(join(to, "agent", "sizes.json"), "utf8"));
  const npm = [...new Set(bundles.flatMap(({ modules }) => modules))].sort().map((path) => {
    const holding = bundles.filter(({ modules }) => modules.includes(path));
    const parts = holding
      .flatMap(({ parts }) => parts)
      .filter(({ name }) => name === path.replace(/^.*node_modules\//, ""));
    const within = holding.map(({ name }) => `usr/lib/guestd/${name}`);
    return { ...npmSource(path, lock), within, bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0) };
  });
  const version = await readVersion(root);
  const guestd: Source = {
    id: "guestd",
    ...{ name: "guestd", version, licences: [{ id: "Apache-2.0" }] },
    purl: `pkg:generic/guestd@${version}`,
  };
  return [guestd, ...npm, ...(await nodeSources(packagedNode(), lock)), ...(await staticSources(GUEST_LIBRARIES))];
}
