import { sha256Of } from "../rootfs-builder/digest.ts";
import { cyclonedx } from "../rootfs-builder/manifest/cyclonedx.ts";
import type { Manifest, ManifestFile, Source } from "../rootfs-builder/manifest/manifest.ts";
import { npmSource, readNpmLock } from "../rootfs-builder/manifest/sources.ts";
import type { BuiltPackage } from "./guestd-package.ts";
import type { PackageFile } from "./package-file.ts";

/**
 * Returns the SBOM of all packages of a release, CycloneDX 1.6: each file with its digest, and each npm package with the
 * files that it is bundled into. The guest's contents are in its own SBOM, a file of its package.
 */
export async function releaseSbom(root: string, version: string, packages: readonly BuiltPackage[]): Promise<object> {
  const lock = await readNpmLock(root);
  const sources = new Map<string, Source>();
  for (const { name, parts } of packages) {
    for (const { name: file, modules } of parts) {
      for (const module of modules) {
        const source = npmSource(module, lock);
        const within = [...(sources.get(source.id)?.within ?? []), `${name}/dist/${file}`].sort();
        sources.set(source.id, { ...source, within });
      }
    }
  }
  const guestd: Source = {
    ...{ id: "guestd", name: "guestd", version, licences: [{ id: "Apache-2.0" }] },
    purl: `pkg:npm/guestd@${version}`,
  };
  const files = packages.flatMap(({ name, files: own }) => own.map((file) => describe(name, file)));
  const manifest: Manifest = {
    ...{ format: 1, version },
    sources: [guestd, ...sources.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    files: files.sort((a, b) => (a.path < b.path ? -1 : 1)),
    boot: [],
  };
  return cyclonedx(manifest, { type: "application", name: "guestd" });
}

function describe(name: string, { path, mode = 0o644, content }: PackageFile): ManifestFile {
  return {
    ...{ path: `${name}/${path}`, type: "file", mode: `0${mode.toString(8)}`, size: content.length },
    ...{ sha256: sha256Of(content), part: name, from: "guestd" },
  };
}
