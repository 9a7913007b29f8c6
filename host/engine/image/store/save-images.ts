import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { asArray, asObject, blobName, type JsonObject } from "../../../../image/image-json.ts";
import { END_MARK, encodeMember, paddingOf } from "../../../../lib/archive/encode-member.ts";
import { splitName } from "./image-name.ts";
import type { StoredImage } from "./image-store.ts";

/** An image to save, with the full names that the archive gives it. */
export interface SavedImage {
  readonly image: StoredImage;
  readonly names: readonly string[];
}

/**
 * Yields a tar archive of images: an OCI layout that also has the manifest.json of `docker save`, so that every `docker load`,
 * podman, skopeo and guestctl read it. The images stay as they are stored.
 */
export async function* savedImages(images: readonly SavedImage[]): AsyncGenerator<Uint8Array> {
  const read = await Promise.all(images.map(readSaved));
  yield* textMember("oci-layout", { imageLayoutVersion: "1.0.0" });
  yield* textMember("index.json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: read.flatMap(({ descriptor, names }) => entriesOf(descriptor, names)),
  });
  yield* textMember("manifest.json", read.map(savedEntry));
  const blobs = new Map(read.flatMap(({ path, blobs }) => blobs.map((digest) => [blobName(digest), path])));
  for (const [name, path] of blobs) yield* fileMember(name, join(path, name));
  yield END_MARK;
}

interface ReadImage extends Pick<SavedImage, "names"> {
  readonly path: string;
  /** Entry of the layout's index. */
  readonly descriptor: JsonObject;
  /** Digests of manifest, configuration and layers. */
  readonly blobs: readonly string[];
}

async function readSaved({ image: { path, digest }, names }: SavedImage): Promise<ReadImage> {
  const json = async (name: string) => asObject(JSON.parse(await readFile(join(path, name), "utf8")), name);
  const descriptor = asObject(asArray((await json("index.json"))["manifests"], "manifests")[0], "the image's entry");
  const manifest = await json(blobName(digest));
  const parts = [manifest["config"], ...asArray(manifest["layers"], "layers of the manifest")];
  const blobs = parts.map((part) => String(asObject(part, "a descriptor of the manifest")["digest"]));
  return { path, descriptor, names, blobs: [digest, ...blobs] };
}

/** Returns an entry of the index for each name, with the annotations that docker writes. */
function entriesOf(descriptor: JsonObject, names: readonly string[]): readonly JsonObject[] {
  if (names.length === 0) return [descriptor];
  return names.map((name) => ({
    ...descriptor,
    annotations: { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": splitName(name).tag },
  }));
}

function savedEntry({ names, blobs: [, config, ...layers] }: ReadImage): JsonObject {
  const RepoTags = names.map(splitName).map(({ repository, tag }) => `${repository}:${tag}`);
  return { Config: blobName(config), RepoTags, Layers: layers.map(blobName) };
}

function* textMember(name: string, value: unknown): Generator<Uint8Array> {
  const content = Buffer.from(JSON.stringify(value));
  yield headerOf(name, content.length);
  yield content;
  yield paddingOf(content.length);
}

async function* fileMember(name: string, path: string): AsyncGenerator<Uint8Array> {
  const { size } = await stat(path);
  yield headerOf(name, size);
  if (size > 0) yield* createReadStream(path, { end: size - 1 });
  yield paddingOf(size);
}

/** All times are 0, so that equal images give equal bytes. */
function headerOf(name: string, size: number): Uint8Array {
  const nothing = { uid: 0, gid: 0, mtime: 0n, atime: 0n, target: "", xattrs: new Map(), from: 0, version: "" };
  return encodeMember({ ...nothing, name, type: "file", mode: 0o644, size, parts: [{ start: 0, end: size }] });
}
