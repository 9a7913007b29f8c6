import type { BlobStore } from "../blob-store.ts";
import { digestOf } from "../digest.ts";
import { ImageError } from "../image-error.ts";
import { blobName, MAX_JSON_BYTES } from "../image-json.ts";
import type { ImageReference } from "./image-reference.ts";
import type { RegistryClient } from "./registry-client.ts";

const MANIFESTS = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];
/** Most bytes of an image's manifests, indexes and configuration together. */
const MAX_DOCUMENTS = 8 << 20;

/**
 * Presents an image in a registry as an OCI layout that holds only this image. Blobs are fetched when they are read.
 */
export function registryStore(client: RegistryClient, { reference, digest, text }: ImageReference): BlobStore {
  const documents = new Map<string, Buffer>();
  /** Blobs that the indexes list as manifests, so they are fetched from manifests/. */
  const manifests = new Set<string>();
  let bytes = 0;

  async function document(path: string): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    const accept = path.startsWith("manifests/") ? MANIFESTS : ["*/*"];
    for await (const chunk of (await client.get(path, accept)) as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      size += chunk.length;
      bytes += chunk.length;
      if (size > MAX_JSON_BYTES || bytes > MAX_DOCUMENTS)
        throw new ImageError(`read image: ${path} is too large for a JSON file`);
    }
    return Buffer.concat(chunks);
  }

  async function manifest(path: string): Promise<Buffer> {
    const found = await document(path);
    for (const each of digestsIn(found)) manifests.add(blobName(each));
    return found;
  }

  async function index(): Promise<Buffer> {
    const found = await manifest(`manifests/${reference}`);
    const has = digestOf(found);
    if (digest !== undefined && digest !== has)
      throw new ImageError(`read image: the registry returned ${has} for ${text}`);
    documents.set(blobName(has), found);
    return Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [{ digest: has }] }));
  }

  return {
    async size(name, said) {
      if (said !== undefined) return said;
      if (name !== "index.json" && !name.startsWith("blobs/")) return undefined;
      const hex = name.slice(name.lastIndexOf("/") + 1);
      const get = () => (manifests.has(name) ? manifest(`manifests/sha256:${hex}`) : document(`blobs/sha256:${hex}`));
      const found = documents.get(name) ?? (name === "index.json" ? await index() : await get());
      documents.set(name, found);
      return found.length;
    },
    async *read(name) {
      const found = documents.get(name);
      if (found !== undefined) yield found;
      else yield* await client.get(`blobs/sha256:${name.slice(name.lastIndexOf("/") + 1)}`, ["*/*"]);
    },
    async close() {
      client.close();
    },
  };
}

function digestsIn(manifest: Buffer): string[] {
  try {
    const { manifests } = JSON.parse(manifest.toString("utf8")) as { readonly manifests?: unknown };
    if (!Array.isArray(manifests)) return [];
    const digests = manifests.map((each: { readonly digest?: unknown } | null) => each?.digest);
    return digests.filter((each) => typeof each === "string").filter((each) => /^sha256:[0-9a-f]{64}$/.test(each));
  } catch {
    return []; // the reader reports invalid JSON
  }
}
