import { createHash } from "node:crypto";
import { join } from "node:path";
import type { BlobStore } from "../../image/blob-store.ts";
import { MAX_JSON_BYTES } from "../../image/image-json.ts";
import { parseJson } from "../../lib/parse-json.ts";
import { BuildError } from "../build-error.ts";
import { type Check, check } from "./check.ts";

const MAX_BLOBS = 1000;
const MOST_PROBLEMS = 20;

/**
 * Checks that every blob reachable from an OCI layout's index exists and matches its digest. `path` is for messages.
 */
export async function ociChecks(store: BlobStore, path: string): Promise<readonly Check[]> {
  const layout = await readDocument(store, path, "oci-layout");
  const version = objectOf(layout)["imageLayoutVersion"];
  const problems: string[] = [];
  const seen = new Set<string>();
  const pending: Descriptor[] = [];
  const follow = (document: unknown) => {
    for (const one of descriptorsOf(document)) {
      if (!seen.has(one.digest)) pending.push(one);
      if (seen.add(one.digest).size > MAX_BLOBS) throw new BuildError(`${path}: more than ${MAX_BLOBS} blobs`);
    }
  };
  follow(await readDocument(store, path, "index.json"));
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { digest, size, mediaType } = next;
    const blob = `blobs/sha256/${digest}`;
    const found = await store.size(blob);
    if (found === undefined) problems.push(`${short(digest)} is missing`);
    else if (found !== size) problems.push(`${short(digest)} has ${found} bytes, not ${size}`);
    else if ((await hashOf(store, blob)) !== digest) problems.push(`${short(digest)} doesn't match`);
    else if (/\.(manifest|index)\.v1\+json$/.test(mediaType)) follow(await readDocument(store, path, blob));
  }
  const found = problems.slice(0, MOST_PROBLEMS).join("; ") || `${seen.size} blobs`;
  return [
    check("OCI layout", version === "1.0.0", String(version), "version 1.0.0"),
    check("blobs of the OCI layout", problems.length === 0 && seen.size > 0, found, "all match their digests"),
  ];
}

async function readDocument(store: BlobStore, path: string, name: string): Promise<unknown> {
  const file = join(path, name);
  const size = await store.size(name);
  if (size === undefined || size > MAX_JSON_BYTES) {
    throw new BuildError(`${file}: no file of up to ${MAX_JSON_BYTES} bytes`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(name)) chunks.push(chunk);
  return parseJson(Buffer.concat(chunks).toString("utf8"), file);
}

async function hashOf(store: BlobStore, name: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of store.read(name)) hash.update(chunk);
  return hash.digest("hex");
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
}

/** Returns the manifests, config and layers that an index or manifest names. */
function descriptorsOf(document: unknown): Descriptor[] {
  const { manifests, config, layers } = objectOf(document);
  const all = [manifests, config, layers].flat().filter((one) => one !== undefined);
  return all.map((one) => {
    const { digest, size, mediaType } = objectOf(one);
    const hash = typeof digest === "string" ? /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1] : undefined;
    if (hash === undefined || typeof size !== "number" || typeof mediaType !== "string") {
      throw new BuildError(`OCI layout: no descriptor of sha256: ${JSON.stringify(one).slice(0, 100)}`);
    }
    return { digest: hash, size, mediaType };
  });
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function short(digest: string): string {
  return digest.slice(0, 12);
}
