import { type BlobStore, openBlobStore } from "./blob-store.ts";
import { chooseManifest } from "./choose-manifest.ts";
import { decompress } from "./decompress.ts";
import { DigestCheck, digestOf, hexOf } from "./digest.ts";
import { ImageError } from "./image-error.ts";
import { asArray, asObject, asStrings, blobName, type JsonObject, readJson } from "./image-json.ts";
import { type Platform, thisPlatform } from "./platform.ts";

export interface Image extends AsyncDisposable {
  /** `config` in the image's configuration: Env, Cmd, Entrypoint, User, WorkingDir. */
  readonly config: JsonObject;
  readonly platform: Platform;
  /** Digest of the manifest, or of the configuration where `docker save` wrote no manifest. */
  readonly digest: string;
  /** Layers, lowest first. */
  readonly layers: readonly Layer[];
  close(): Promise<void>;
}

export interface Layer {
  /** Digest of the uncompressed tar. */
  readonly diffId: string;
  /** Stored size in bytes. */
  readonly size: number;
  /** Returns the uncompressed tar. Checks the digests after the last chunk and throws there if the layer is damaged. */
  open(): AsyncIterable<Uint8Array>;
}

export interface ReadImageOptions {
  readonly platform?: Platform;
  /** Name of the image if there are several: "alpine:3.20", or the ref name in an OCI layout. */
  readonly name?: string | undefined;
  /** Bytes that a compressed tar may have decompressed: it is a temporary file until the image is closed. */
  readonly maxBytes?: number;
}

/**
 * Opens an image: an OCI layout (a directory or a tar) or the output of `docker save`; the tar can be gzip or zstd.
 * Selects the image for the platform. Throws ImageError. The caller closes the image.
 */
export async function readImage(path: string, options: ReadImageOptions = {}): Promise<Image> {
  const store = await openBlobStore(path, options.maxBytes);
  return readStoredImage(store, path, options);
}

/** Opens an image in a store and closes the store with it. `what` names the store in errors. */
export async function readStoredImage(store: BlobStore, what: string, options: ReadImageOptions): Promise<Image> {
  try {
    return await openImage(store, what, options);
  } catch (error) {
    await store.close();
    throw error;
  }
}

interface Stored {
  readonly digest: string;
  readonly config: JsonObject;
  /** File of each layer, with its digest if the manifest has one. */
  readonly layers: readonly StoredLayer[];
}

interface StoredLayer {
  readonly file: string;
  readonly digest?: string;
  /** Size in bytes in the layer's descriptor. */
  readonly declared?: number;
}

async function openImage(store: BlobStore, path: string, options: ReadImageOptions): Promise<Image> {
  const platform = options.platform ?? thisPlatform();
  const index = await readJson(store, "index.json");
  const saved = index === undefined ? await readJson(store, "manifest.json") : undefined;
  if (index === undefined && saved === undefined) {
    throw new ImageError(
      `read image ${path}: it contains neither index.json (OCI layout) nor manifest.json (docker save)`,
    );
  }
  const { config, layers, digest } =
    index === undefined
      ? await readSaved(store, saved, platform, options.name)
      : await readLayout(store, asObject(index, "index.json"), platform, options.name);
  const diffIds = asStrings(asObject(config["rootfs"], "rootfs of the configuration")["diff_ids"], "rootfs.diff_ids");
  if (diffIds.length !== layers.length) {
    throw new ImageError(`read image ${path}: ${layers.length} layers, but ${diffIds.length} diff_ids`);
  }
  const opened = layers.map((layer, at) => openLayer(store, layer, diffIds[at] ?? ""));
  const close = () => store.close();
  return {
    config: asObject(config["config"] ?? {}, "config of the configuration"),
    platform,
    digest,
    layers: await Promise.all(opened),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function readLayout(store: BlobStore, index: JsonObject, platform: Platform, name?: string): Promise<Stored> {
  const { manifest, config, digest } = await chooseManifest(store, index, platform, name);
  const layers = asArray(manifest["layers"], "layers of the manifest").map((value) => {
    const { digest, mediaType, size } = asObject(value, "a layer of the manifest");
    if (!/\.tar(\.gzip|[.+](gzip|zstd))?$/.test(String(mediaType))) {
      throw new ImageError(`read image: a layer of type ${JSON.stringify(mediaType)} is not supported`);
    }
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
      throw new ImageError(`read image: layer ${digest} has no valid size`);
    }
    return { file: blobName(digest), digest: String(digest), declared: size };
  });
  return { config, layers, digest };
}

/** Reads manifest.json, which `docker save` wrote before Docker 25 and podman's docker-archive still writes. */
async function readSaved(store: BlobStore, saved: unknown, platform: Platform, name?: string): Promise<Stored> {
  const all = asArray(saved, "manifest.json").map((value) => asObject(value, "an image of manifest.json"));
  const tags = (image: JsonObject) => asStrings(image["RepoTags"], "RepoTags");
  const named = name === undefined ? all : all.filter((image) => tags(image).includes(name));
  const [image, second] = named;
  if (image === undefined || second !== undefined) {
    const names = all.flatMap(tags).join(", ");
    throw new ImageError(`read image: ${named.length} images match ${name ?? "no name"}; choose one of: ${names}`);
  }
  const file = String(image["Config"]);
  const digest = digestOfName(file);
  const config = asObject(await readJson(store, file, digest), `configuration ${file}`);
  if (config["architecture"] !== platform.architecture || config["os"] !== platform.os) {
    const has = `${config["os"]}/${config["architecture"]}`;
    throw new ImageError(`read image: it is for ${has}, not for ${platform.os}/${platform.architecture}`, {
      kind: "wrong-platform",
    });
  }
  const layers = asStrings(image["Layers"], "Layers").map((each) => ({ file: each }));
  return { config, layers, digest: digest ?? digestOf(Buffer.from(JSON.stringify(config))) };
}

/** Returns the digest in a configuration's file name. */
function digestOfName(file: string): string | undefined {
  const hex = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(file)?.[1];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

async function openLayer(store: BlobStore, { file, digest, declared }: StoredLayer, diffId: string): Promise<Layer> {
  hexOf(diffId);
  const size = await store.size(file, declared);
  if (size === undefined) throw new ImageError(`read image: layer ${file} is missing`);
  return {
    diffId,
    size,
    async *open() {
      const stored = new DigestCheck(digest ?? "", `layer ${file}`, declared);
      const plain = new DigestCheck(diffId, `the content of layer ${file}`);
      yield* plain.watch(await decompress(digest === undefined ? store.read(file) : stored.watch(store.read(file))));
      if (digest !== undefined) stored.verify();
      plain.verify();
    },
  };
}
