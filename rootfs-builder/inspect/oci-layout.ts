import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { MAX_JSON_BYTES } from "../../image/image-json.ts";
import { parseJson } from "../../image/parse-json.ts";
import { BuildError } from "../build-error.ts";
import { hashFile } from "../digest.ts";
import { type Check, check } from "./check.ts";

const MAX_BLOBS = 1000;
const MOST_PROBLEMS = 20;

/** Whether every blob that an OCI layout's index leads to is there and is what its digest says. */
export async function ociChecks(directory: string): Promise<readonly Check[]> {
  const layout = await readDocument(join(directory, "oci-layout"));
  const version = objectOf(layout)["imageLayoutVersion"];
  const problems: string[] = [];
  const seen = new Set<string>();
  const pending: Descriptor[] = [];
  const follow = (document: unknown) => {
    for (const one of descriptorsOf(document)) {
      if (!seen.has(one.digest)) pending.push(one);
      if (seen.add(one.digest).size > MAX_BLOBS) throw new BuildError(`${directory}: more than ${MAX_BLOBS} blobs`);
    }
  };
  follow(await readDocument(join(directory, "index.json")));
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { digest, size, mediaType } = next;
    const blob = join(directory, "blobs/sha256", digest);
    const found = await stat(blob).catch(() => undefined);
    if (!found?.isFile()) problems.push(`${short(digest)} is missing`);
    else if (found.size !== size) problems.push(`${short(digest)} has ${found.size} bytes, not ${size}`);
    else if ((await hashFile(blob)) !== digest) problems.push(`${short(digest)} is another`);
    else if (/\.(manifest|index)\.v1\+json$/.test(mediaType)) follow(await readDocument(blob));
  }
  const found = problems.slice(0, MOST_PROBLEMS).join("; ") || `${seen.size} blobs`;
  return [
    check("OCI layout", version === "1.0.0", String(version), "version 1.0.0"),
    check("blobs of the OCI layout", problems.length === 0 && seen.size > 0, found, "what their digests say"),
  ];
}

async function readDocument(path: string): Promise<unknown> {
  const found = await stat(path);
  if (!found.isFile() || found.size > MAX_JSON_BYTES)
    throw new BuildError(`${path}: no file of up to ${MAX_JSON_BYTES} bytes`);
  return parseJson(await readFile(path, "utf8"), path);
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
}

/** Manifests, config and layers that an index or a manifest names. */
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
