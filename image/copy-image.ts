import { createWriteStream } from "node:fs";
import { link, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { BlobStore } from "./blob-store.ts";
import { DigestCheck } from "./digest.ts";
import { ImageError } from "./image-error.ts";
import { asArray, asObject, blobName } from "./image-json.ts";

export interface CopyOptions {
  /** Returns the path of a file, on the same file system, with the verified content of a digest. It is linked. */
  readonly findBlob?: (digest: string) => string | undefined;
  /** Called with the number of bytes copied so far. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Layers that are copied at the same time, as by docker. */
const AT_ONCE = 3;

interface Descriptor {
  readonly digest: string;
  /** Undefined for the manifest, whose size the store knows. */
  readonly size?: number;
}

/**
 * Copies one image, named by the digest of its manifest, to an OCI layout in an empty directory: manifest, configuration
 * and layers as they are stored. Verifies every digest. The image was opened in the store before (`readStoredImage`).
 * Throws ImageError; the directory then holds a part of the image.
 */
export async function copyImage(
  store: BlobStore,
  digest: string,
  directory: string,
  { findBlob = () => undefined, onProgress, signal }: CopyOptions = {},
): Promise<void> {
  await mkdir(join(directory, "blobs/sha256"), { recursive: true, mode: 0o700 });
  let bytes = 0;
  const count = (more: number) => {
    bytes += more;
    onProgress?.(bytes);
  };
  const copy = async (blob: Descriptor) => {
    signal?.throwIfAborted();
    const known = findBlob(blob.digest);
    const to = join(directory, blobName(blob.digest));
    // The file may be removed meanwhile.
    if (known !== undefined && (await linked(known, to))) return count(blob.size ?? 0);
    await copyBlob(store, blob, to, count);
  };
  await copy({ digest });
  const manifest = asObject(JSON.parse(await readFile(join(directory, blobName(digest)), "utf8")), "manifest");
  const blobs = [manifest["config"], ...asArray(manifest["layers"], "layers of the manifest")].map(descriptorOf);
  const waiting = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
  const work = async () => {
    for (let blob = waiting.shift(); blob !== undefined; blob = waiting.shift()) await copy(blob);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  await writeIndex(directory, digest, manifest["mediaType"]);
}

function descriptorOf(value: unknown): Descriptor {
  const { digest, size } = asObject(value, "a descriptor of the manifest");
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw new ImageError(`read image: ${String(digest)} has no valid size`);
  return { digest: String(digest), size };
}

async function copyBlob(
  store: BlobStore,
  { digest, size }: Descriptor,
  to: string,
  count: (bytes: number) => void,
): Promise<void> {
  const name = blobName(digest);
  if ((await store.size(name, size)) === undefined) throw new ImageError(`read image: ${name} is missing`);
  const check = new DigestCheck(digest, name, size);
  const counted = async function* () {
    for await (const chunk of check.watch(store.read(name))) {
      count(chunk.length);
      yield chunk;
    }
  };
  await pipeline(counted, createWriteStream(to, { flags: "wx", mode: 0o600 }));
  check.verify();
}

async function linked(from: string, to: string): Promise<boolean> {
  return link(from, to).then(
    () => true,
    () => false,
  );
}

async function writeIndex(directory: string, digest: string, mediaType: unknown): Promise<void> {
  const { size } = await stat(join(directory, blobName(digest)));
  const type = typeof mediaType === "string" ? mediaType : "application/vnd.oci.image.manifest.v1+json";
  const manifests = [{ mediaType: type, digest, size }];
  await writeFile(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }), { mode: 0o600 });
  await writeFile(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }), { mode: 0o600 });
}
