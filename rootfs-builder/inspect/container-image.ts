import { openBlobStore } from "../../image/blob-store.ts";
import { readImage } from "../../image/read-image.ts";
import { BuildError } from "../build-error.ts";
import { attempt, type Check } from "./check.ts";
import { ociChecks } from "./oci-layout.ts";

/** True for POSIX and GNU tar, which image tools write. */
export function isTar(bytes: Buffer): boolean {
  return bytes.toString("latin1", 257, 262) === "ustar";
}

/**
 * Checks a container image in a tar: an OCI layout, which Docker 25 and later also save, or the older format of docker
 * save. Throws BuildError for any other tar. `how` names the compression.
 */
export async function containerImage(file: string, how: string): Promise<{ kind: string; checks: readonly Check[] }> {
  const store = await openBlobStore(file);
  const tar = how === "none" ? "tar" : `tar, ${how}`;
  try {
    if ((await store.size("oci-layout")) !== undefined) {
      return { kind: `OCI layout (${tar})`, checks: await attempt("OCI layout", () => ociChecks(store, file)) };
    }
    if ((await store.size("manifest.json")) !== undefined) {
      return { kind: `docker save (${tar})`, checks: await attempt("layers", () => layerChecks(file)) };
    }
  } finally {
    await store.close();
  }
  throw new BuildError("a tar, but not an image: it has neither oci-layout nor manifest.json");
}

/** Reads each layer, which verifies its digests. */
async function layerChecks(file: string): Promise<readonly Check[]> {
  await using image = await readImage(file);
  for (const layer of image.layers) {
    for await (const _ of layer.open());
  }
  return [{ name: "layers", ok: true, detail: `${image.layers.length}, all match their digests` }];
}
