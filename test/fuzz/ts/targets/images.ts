import type { BlobStore } from "../../../../image/blob-store.ts";
import { namedManifests } from "../../../../image/choose-manifest.ts";
import { digestOf } from "../../../../image/digest.ts";
import { ImageError } from "../../../../image/image-error.ts";
import { asObject, readJson } from "../../../../image/image-json.ts";
import { readStoredImage } from "../../../../image/read-image.ts";
import type { RegistryClient } from "../../../../image/registry/registry-client.ts";
import { RegistryError } from "../../../../image/registry/registry-error.ts";
import { registryStore } from "../../../../image/registry/registry-store.ts";
import { savedAsLayout } from "../../../../image/saved-layout.ts";
import { type FuzzTarget, promise, refuses } from "../target.ts";

const PLATFORM = { os: "linux", architecture: "amd64" };
const CONFIG =
  '{"os":"linux","architecture":"amd64","config":{"Env":["A=b"],"Cmd":["sh"],"User":"1:1","WorkingDir":"/"},"rootfs":{"diff_ids":["$0"]}}';
const MANIFEST =
  '{"config":{"digest":"$0"},"layers":[{"digest":"$0","mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":5}]}';
const INDEX =
  '{"manifests":[{"digest":"$1","platform":{"os":"linux","architecture":"amd64"},"annotations":{"org.opencontainers.image.ref.name":"x"}}]}';

/**
 * Takes one document from each line. "$N" in a document is the digest of the N-th one. The last is index.json, or
 * manifest.json if it begins with a space.
 */
export const images: FuzzTarget = {
  name: "images",
  promise:
    "manifests, indexes and configurations from a layout or a registry are an image with complete digests, or are refused with one line",
  seeds: () => [
    [CONFIG, MANIFEST, INDEX].join("\n"),
    [CONFIG, MANIFEST, '{"manifests":[{"digest":"$1"}]}', '{"manifests":[{"digest":"$2"}]}'].join("\n"),
    [CONFIG, ' [{"Config":"$0.json","RepoTags":["x"],"Layers":["a"]}]'].join("\n"),
  ],
  words: [
    '"$0"',
    '"$1"',
    '"manifests":',
    '"platform":{',
    '"annotations":{',
    "null",
    "[]",
    "{}",
    "sha256:",
    '"size":',
    "-1",
    "1e400",
  ],
  async run(input) {
    const blobs = new Map<string, Buffer>();
    const digests: string[] = [];
    let last = "";
    for (const line of input.toString("utf8").split("\n").slice(0, 16)) {
      last = line.replaceAll(/\$(\d)/g, (_, at: string) => digests[Number(at)] ?? "sha256:");
      const bytes = Buffer.from(last);
      digests.push(digestOf(bytes));
      blobs.set(digestOf(bytes).slice(7), bytes);
    }
    const [name, text] = last.startsWith(" ") ? ["manifest.json", last.slice(1)] : ["index.json", last];
    const find = (path: string) =>
      path === name ? Buffer.from(text) : blobs.get(path.replace(/^.*\/|\.json$|^sha256:/g, ""));
    const store: BlobStore = {
      size: async (path) => find(path)?.length,
      async *read(path) {
        yield find(path) ?? Buffer.alloc(0);
      },
      close: async () => undefined,
    };
    await read(store);
    await list(store);
    const client = {
      get: async (path: string) => answer(path.startsWith("manifests/r") ? Buffer.from(text) : find(path)),
      close: () => undefined,
    };
    await read(
      registryStore(client as unknown as RegistryClient, { text: "x", registry: "r", repository: "x", reference: "r" }),
    );
  },
};

async function* answer(bytes: Buffer | undefined): AsyncGenerator<Buffer> {
  if (bytes === undefined) throw new RegistryError("not-found", "404");
  yield bytes;
}

async function read(store: BlobStore): Promise<void> {
  try {
    const image = await readStoredImage(store, "fuzz", { platform: PLATFORM });
    promise(
      /^sha256:[0-9a-f]{64}$/.test(image.digest) || image.digest === "undefined",
      `the digest is complete: ${image.digest}`,
    );
    for (const layer of image.layers) {
      promise(Number.isSafeInteger(layer.size) && layer.size >= 0, "a layer has a size");
      for await (const _ of layer.open()) if (Date.now() < 0) break;
    }
  } catch (error) {
    readError(error);
  }
}

/** Reads the images as `guestctl load` does. */
async function list(store: BlobStore): Promise<void> {
  try {
    const saved = await readJson(store, "manifest.json");
    const layout = saved === undefined ? store : await savedAsLayout(store, saved);
    const index = asObject(await readJson(layout, "index.json"), "index.json");
    for (const { digest } of await namedManifests(layout, index, PLATFORM)) {
      promise(/^sha256:[0-9a-f]{64}$/.test(digest), `the digest is complete: ${digest}`);
    }
  } catch (error) {
    readError(error);
  }
}

function readError(error: unknown): void {
  // Errors in a layer's stream are reported by the code that applies it.
  const isOfStream = error instanceof Error && "code" in error && !(error instanceof TypeError);
  if (!isOfStream) refuses(error, ImageError);
}
