import { yieldToEventLoop } from "../lib/yield-to-event-loop.ts";
import type { BlobStore } from "./blob-store.ts";
import { ImageError } from "./image-error.ts";
import { asArray, asObject, asText, type JsonObject, readBlobJson } from "./image-json.ts";
import type { Platform } from "./platform.ts";

/** Limit for nested indexes: the layout's, an image's, and one to spare. */
const MAX_INDEXES = 3;
/** Limit for the entries of all indexes together: an image decides how often it names one that is long. */
const MAX_ENTRIES = 1000;
/** Names that are longer count as none. */
const MAX_NAME = 1024;

export interface ChosenManifest {
  readonly manifest: JsonObject;
  /** The image's complete configuration. */
  readonly config: JsonObject;
  /** The manifest's digest. */
  readonly digest: string;
}

/** A manifest in the index. One for another platform is listed by name and not read. */
interface Candidate {
  readonly name: string;
  readonly has: string;
  readonly found?: ChosenManifest;
}

/**
 * Returns the only manifest in an OCI index for this platform and, if given, this name. Throws ImageError if none or
 * several match.
 */
export async function chooseManifest(
  store: BlobStore,
  index: JsonObject,
  platform: Platform,
  name?: string,
): Promise<ChosenManifest> {
  const wanted = `${platform.os}/${platform.architecture}`;
  const [there, fit]: [Set<string>, Set<string>] = [new Set(), new Set()];
  let [first, isAlone]: [ChosenManifest | undefined, boolean] = [undefined, true];
  const search = { wanted, name: "", depth: 1, entries: { count: 0 }, yieldNow: yieldToEventLoop() };
  // Only one of them is kept: each may take much memory.
  for await (const each of candidates(store, index, search)) {
    there.add(`${each.name || "unnamed"} for ${each.has}`);
    if (each.found === undefined || each.has !== wanted || (name !== undefined && each.name !== name)) continue;
    fit.add(each.name);
    first ??= each.found;
    isAlone &&= each.found.digest === first.digest;
  }
  if (first === undefined) {
    const what = `${wanted}${name === undefined ? "" : ` named ${name}`}`;
    throw new ImageError(`read image: no image for ${what}; available: ${[...there].join(", ") || "none"}`, {
      kind: "wrong-platform",
    });
  }
  if (!isAlone) throw new ImageError(`read image: several images; choose one of: ${[...fit].join(", ")}`);
  return first;
}

/** An image of an index, with the name that the index has for it, or an empty one. */
export interface NamedManifest {
  readonly name: string;
  readonly digest: string;
}

/** Returns all images of an OCI index for this platform, once for each name. Throws ImageError if there are none. */
export async function namedManifests(
  store: BlobStore,
  index: JsonObject,
  platform: Platform,
): Promise<readonly NamedManifest[]> {
  const wanted = `${platform.os}/${platform.architecture}`;
  const search = { wanted, name: "", depth: 1, entries: { count: 0 }, yieldNow: yieldToEventLoop() };
  const images = new Map<string, NamedManifest>();
  for await (const { name, has, found } of candidates(store, index, search)) {
    if (found !== undefined && has === wanted) images.set(`${name}@${found.digest}`, { name, digest: found.digest });
  }
  if (images.size === 0) throw new ImageError(`read image: no image for ${wanted}`, { kind: "wrong-platform" });
  return [...images.values()];
}

interface Search {
  readonly wanted: string;
  /** Name that the enclosing index has for this one. */
  readonly name: string;
  readonly depth: number;
  /** Entries of all indexes so far. */
  readonly entries: { count: number };
  readonly yieldNow: () => Promise<void> | undefined;
}

async function* candidates(store: BlobStore, index: JsonObject, search: Search): AsyncGenerator<Candidate> {
  if (search.depth > MAX_INDEXES) throw new ImageError("read image: indexes are nested too deeply");
  for (const value of asArray(index["manifests"], "manifests of the index")) {
    await search.yieldNow();
    search.entries.count++;
    if (search.entries.count > MAX_ENTRIES)
      throw new ImageError(`read image: its indexes have more than ${MAX_ENTRIES} entries`);
    const descriptor = asObject(value, "an entry of the index");
    const name = nameOf(descriptor) || search.name;
    const has = descriptor["platform"] === undefined ? undefined : platformText(descriptor["platform"]);
    // Manifests for other platforms are often missing from the tar; buildkit's attestations are for unknown/unknown.
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

/** Returns the image's name. Docker writes the full name into containerd's annotation, and only the tag into OCI's. */
function nameOf(descriptor: JsonObject): string {
  const annotations = asObject(descriptor["annotations"] ?? {}, "annotations");
  const text = (key: string) => {
    const value = asText(annotations[key]);
    return value.length > MAX_NAME ? "" : value;
  };
  const full = text("io.containerd.image.name").replace(/^docker\.io\/(library\/)?/, "");
  return full || text("org.opencontainers.image.ref.name");
}
