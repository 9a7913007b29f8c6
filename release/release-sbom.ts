import { sha256Of } from "../rootfs-builder/digest.ts";
import { cyclonedx } from "../rootfs-builder/manifest/cyclonedx.ts";
import type { Manifest, ManifestFile, Source } from "../rootfs-builder/manifest/manifest.ts";
import { mergeSources, npmSource, readNpmLock } from "../rootfs-builder/manifest/sources.ts";
import type { BuiltPackage } from "./guestd-package.ts";
import type { PackageFile } from "./package-file.ts";

/**
 * Returns the SBOM of all packages of a release, CycloneDX 1.6: each file with its digest, and each npm package with the
 * files that it is bundled into. The guest's contents are in its own SBOM, a file of its package.
 */
export async function releaseSbom(root: string, version: string, packages: readonly BuiltPackage[]): Promise<object> {
  const lock = await readNpmLock(root);
  const bundled = packages.flatMap(({ name, parts }) =>
    parts.flatMap(({ name: file, modules }) =>
      modules.map((module) => ({ ...npmSource(module, lock), within: [`${name}/dist/${file}`] })),
    ),
  );
  const guestd: Source = {
    ...{ id: "guestd", name: "guestd", version, licences: [{ id: "Apache-2.0" }] },
    purl: `pkg:npm/guestd@${version}`,
  };
  const files = packages.flatMap(({ name, files: own }) =>
    own.map((file) => ({ ...describeFile(name, file), path: `${name}/${file.path}` })),
  );
  const manifest: Manifest = {
    ...{ format: 1, version },
    sources: [guestd, ...mergeSources(bundled)].sort((a, b) => (a.id < b.id ? -1 : 1)),
    files: files.sort((a, b) => (a.path < b.path ? -1 : 1)),
    boot: [],
  };
  return cyclonedx(manifest, { type: "application", name: "guestd" });
}

/** Returns a file of a package as an SBOM lists it; `part` is what it belongs to. */
export function describeFile(part: string, { path, mode = 0o644, content }: PackageFile): ManifestFile {
  const [size, sha256] = [content.length, sha256Of(content)];
  return { path, type: "file", mode: `0${mode.toString(8)}`, size, sha256, part, from: "guestd" };
}
