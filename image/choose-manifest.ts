import type { BlobStore } from "./blob-store.ts";
import { ImageError } from "./image-error.ts";
import { asArray, asObject, asText, type JsonObject, readBlobJson } from "./image-json.ts";
import type { Platform } from "./platform.ts";

/** How deep indexes may lie in each other: layout, image index, and one to spare. */
const MAX_INDEXES = 3;

export interface ChosenManifest {
  readonly manifest: JsonObject;
  /** The image's whole configuration. */
  readonly config: JsonObject;
  /** The manifest's. */
  readonly digest: string;
}

/** Those that can't be meant, for their platform, are known by name only and not read. */
interface Candidate {
  readonly name: string;
  readonly has: string;
  readonly found?: ChosenManifest;
}

/** The one manifest of an OCI index that is for the platform, and, if given, under the name. Throws ImageError. */
export async function chooseManifest(
  store: BlobStore,
  index: JsonObject,
  platform: Platform,
  name?: string,
): Promise<ChosenManifest> {
  const wanted = `${platform.os}/${platform.architecture}`;
  const all: Candidate[] = [];
  for await (const each of candidates(store, index, { wanted, name: "", depth: 1 })) all.push(each);
  const fit = all.filter((each) => each.has === wanted && (name === undefined || each.name === name));
  const found = fit.flatMap((each) => (each.found === undefined ? [] : [each.found]));
  const [first] = found;
  if (first === undefined) {
    const there = [...new Set(all.map((each) => `${each.name || "an unnamed one"} for ${each.has}`))].join(", ");
    const what = `${wanted}${name === undefined ? "" : ` named ${name}`}`;
    throw new ImageError(`read image: nothing for ${what}; there is: ${there || "nothing"}`);
  }
  if (found.some((each) => each.digest !== first.digest)) {
    throw new ImageError(`read image: several images; choose one of: ${fit.map((each) => each.name).join(", ")}`);
  }
  return first;
}

interface Search {
  readonly wanted: string;
  /** Name of the index that this one was found in. */
  readonly name: string;
  readonly depth: number;
}

async function* candidates(store: BlobStore, index: JsonObject, search: Search): AsyncGenerator<Candidate> {
  if (search.depth > MAX_INDEXES) throw new ImageError("read image: indexes lie too deep in each other");
  for (const value of asArray(index["manifests"], "manifests of the index")) {
    const descriptor = asObject(value, "an entry of the index");
    const name = nameOf(descriptor) || search.name;
    const has = descriptor["platform"] === undefined ? undefined : platformText(descriptor["platform"]);
    // Other platforms are often not in the tar at all; buildkit's attestations are for unknown/unknown.
    if (has !== undefined && has !== search.wanted) {
      if (has !== "unknown/unknown") yield { name, has };
      continue;
    }
    const manifest = await readBlobJson(store, descriptor["digest"]);
    if (manifest["manifests"] !== undefined) {
      yield* candidates(store, manifest, { ...search, name, depth: search.depth + 1 });
      continue;
    }
    const config = await readBlobJson(store, asObject(manifest["config"], "config of the manifest")["digest"]);
    yield { name, has: platformText(config), found: { manifest, config, digest: String(descriptor["digest"]) } };
  }
}

function platformText(value: unknown): string {
  const { os, architecture } = asObject(value, "platform");
  return `${asText(os)}/${asText(architecture)}`;
}

/** Docker writes the full name into containerd's annotation, and only the tag into OCI's. */
function nameOf(descriptor: JsonObject): string {
  const annotations = asObject(descriptor["annotations"] ?? {}, "annotations");
  const full = asText(annotations["io.containerd.image.name"]).replace(/^docker\.io\/(library\/)?/, "");
  return full || asText(annotations["org.opencontainers.image.ref.name"]);
}
