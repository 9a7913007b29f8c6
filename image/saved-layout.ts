import type { BlobStore } from "./blob-store.ts";
import { digestOf } from "./digest.ts";
import { ImageError } from "./image-error.ts";
import { asArray, asObject, asStrings, blobName, readJson } from "./image-json.ts";

/** Limits for images, each of which has a configuration to read, and for what is kept of them in memory. */
const MAX_IMAGES = 1000;
const MAX_BYTES = 64 << 20;
const OCI = "application/vnd.oci.image";

/** A file of the layout: bytes, or the name of a file of the archive. */
type Content = Buffer | string;

/**
 * Shows an archive with only a manifest.json, as `docker save` wrote it before Docker 25 and podman does, as an OCI layout: its
 * layers are uncompressed, so that their digests are known. Throws ImageError.
 */
export async function savedAsLayout(store: BlobStore, saved: unknown): Promise<BlobStore> {
  const files = new Map<string, Content>();
  let kept = 0;
  const add = (bytes: Buffer) => {
    kept += bytes.length;
    if (kept > MAX_BYTES) {
      throw new ImageError(`read image: its configurations and lists of layers have more than ${MAX_BYTES} bytes`);
    }
    const digest = digestOf(bytes);
    files.set(blobName(digest), bytes);
    return { digest, size: bytes.length };
  };
  const entries: unknown[] = [];
  const images = asArray(saved, "manifest.json");
  if (images.length > MAX_IMAGES) throw new ImageError(`read image: manifest.json has more than ${MAX_IMAGES} images`);
  for (const value of images) {
    const image = asObject(value, "an image of manifest.json");
    const config = await readJson(store, String(image["Config"]));
    const diffIds = asStrings(asObject(asObject(config, "configuration")["rootfs"], "rootfs")["diff_ids"], "diff_ids");
    const layers = asStrings(image["Layers"], "Layers");
    if (layers.length !== diffIds.length) throw new ImageError("read image: not as many layers as diff_ids");
    const descriptors = await Promise.all(
      layers.map(async (file, at) => {
        const size = await store.size(file);
        if (size === undefined) throw new ImageError(`read image: layer ${file} is missing`);
        files.set(blobName(diffIds[at]), file);
        return { mediaType: `${OCI}.layer.v1.tar`, digest: diffIds[at], size };
      }),
    );
    const mediaType = `${OCI}.manifest.v1+json`;
    const configBlob = { mediaType: `${OCI}.config.v1+json`, ...add(Buffer.from(JSON.stringify(config))) };
    const manifest = add(
      Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: configBlob, layers: descriptors })),
    );
    const names = asStrings(image["RepoTags"], "RepoTags");
    for (const name of names.length === 0 ? [undefined] : names) {
      entries.push({ mediaType, ...manifest, ...(name && { annotations: { "io.containerd.image.name": name } }) });
    }
  }
  files.set("index.json", Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: entries })));
  return {
    async size(name) {
      const content = files.get(name);
      return typeof content === "string" ? store.size(content) : content?.length;
    },
    read(name) {
      const content = files.get(name);
      return typeof content === "string" ? store.read(content) : once(content ?? Buffer.alloc(0));
    },
    close: () => store.close(),
  };
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}
