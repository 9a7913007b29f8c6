import { constants } from "node:fs";
import { copyFile, mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hashFile, sha256Of } from "../digest.ts";
import { withTemporary } from "../with-temporary.ts";

export interface ArtifactFile {
  readonly file: string;
  /** Its role: kernel, initrd, root, description … */
  readonly role: string;
  readonly mediaType: string;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

const ARTIFACT_TYPE = "application/vnd.guestd.guest.v1";
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const EMPTY_TYPE = "application/vnd.oci.empty.v1+json";
const ROLE = "dev.guestd.role";

/**
 * Writes files in `directory` as one artifact into the OCI layout `target`: a blob for each, with name and role as
 * annotations. Equal files give equal bytes. Returns the manifest's digest.
 */
export async function writeArtifact(
  directory: string,
  files: readonly ArtifactFile[],
  target: string,
  annotations: Readonly<Record<string, string>>,
): Promise<string> {
  return withTemporary(join(target, ".."), async (work) => {
    const layout = join(work, "oci");
    const blobs = join(layout, "blobs/sha256");
    await mkdir(blobs, { recursive: true });
    const config = await putBlob(blobs, Buffer.from("{}"), EMPTY_TYPE);
    const layers: Descriptor[] = [];
    for (const { file, role, mediaType } of files) {
      const blob = await copyBlob(blobs, join(directory, file), mediaType);
      layers.push({ ...blob, annotations: { "org.opencontainers.image.title": file, [ROLE]: role } });
    }
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      artifactType: ARTIFACT_TYPE,
      config,
      layers,
      annotations,
    };
    const descriptor = await putBlob(blobs, Buffer.from(JSON.stringify(manifest)), MANIFEST_TYPE);
    const index = { schemaVersion: 2, manifests: [{ ...descriptor, artifactType: ARTIFACT_TYPE }] };
    await writeFile(join(layout, "index.json"), JSON.stringify(index));
    await writeFile(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
    await rm(target, { recursive: true, force: true });
    await rename(layout, target);
    return descriptor.digest;
  });
}

async function putBlob(blobs: string, content: Buffer, mediaType: string): Promise<Descriptor> {
  const hex = sha256Of(content);
  await writeFile(join(blobs, hex), content);
  return { mediaType, digest: `sha256:${hex}`, size: content.length };
}

async function copyBlob(blobs: string, path: string, mediaType: string): Promise<Descriptor> {
  const hex = await hashFile(path);
  await copyFile(path, join(blobs, hex), constants.COPYFILE_FICLONE);
  return { mediaType, digest: `sha256:${hex}`, size: (await stat(path)).size };
}
