import { isJsonObject } from "../lib/parse-json.ts";
import { reason } from "../lib/reason.ts";
import type { BlobStore } from "./blob-store.ts";
import { digestOf, hexOf } from "./digest.ts";
import { ImageError } from "./image-error.ts";

/** Limit for JSON files in an image. Parsed, they take up to 25 times the memory, and the agent's heap is 64 MiB. */
export const MAX_JSON_BYTES = 1 << 20;

export type JsonObject = Readonly<Record<string, unknown>>;

/** Parses a JSON file of the image; returns undefined if it doesn't exist. Checks its bytes if a digest is given. */
export async function readJson(store: BlobStore, name: string, digest?: string): Promise<unknown> {
  const size = await store.size(name);
  if (size === undefined) return undefined;
  if (size > MAX_JSON_BYTES)
    throw new ImageError(`read image: ${name} has ${size} bytes, more than the ${MAX_JSON_BYTES} that JSON may have`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(name)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const found = digest === undefined ? undefined : digestOf(bytes);
  if (found !== digest)
    throw new ImageError(`read image: ${name} has digest ${found}, not ${digest}; the image is damaged`);
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new ImageError(`read image: ${name} is not JSON: ${reason(error)}`, { cause: error });
  }
}

/** Parses a content-addressed file as a JSON object. */
export async function readBlobJson(store: BlobStore, digest: unknown): Promise<JsonObject> {
  const name = blobName(digest);
  return asObject(await readJson(store, name, String(digest)), name);
}

/** Returns the name of a digest's content in the layout. */
export function blobName(digest: unknown): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

export function asObject(value: unknown, what: string): JsonObject {
  if (value === undefined) throw new ImageError(`read image: ${what} is missing`);
  if (!isJsonObject(value)) throw new ImageError(`read image: ${what} is not an object`);
  return value;
}

/** Returns an empty list if the value is absent or null. */
export function asArray(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new ImageError(`read image: ${what} is not a list`);
  return value;
}

/** Returns an empty list if the value is absent or null. */
export function asStrings(value: unknown, what: string): string[] {
  return asArray(value, what).map((each) => {
    if (typeof each !== "string") throw new ImageError(`read image: ${what} is not a list of strings`);
    return each;
  });
}

/** Returns an empty string for anything but a string. */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
