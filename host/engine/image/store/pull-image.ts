import { ImageError } from "../../../../image/image-error.ts";
import { readStoredImage } from "../../../../image/read-image.ts";
import { parseImageReference } from "../../../../image/registry/image-reference.ts";
import { RegistryClient } from "../../../../image/registry/registry-client.ts";
import { registryStore } from "../../../../image/registry/registry-store.ts";
import { reason } from "../../../../lib/reason.ts";
import { dockerLogin } from "./docker-login.ts";
import { nameOf } from "./image-name.ts";
import type { ImageStore, StoredImage } from "./image-store.ts";
import { keepImage } from "./keep-image.ts";
import { makeRoom } from "./make-room.ts";

export interface PullOptions {
  /** Allows plain HTTP to registries other than those on loopback. */
  readonly plainHttp?: boolean;
  /** Called with bytes so far and bytes in total. */
  readonly onProgress?: (bytes: number, total: number) => void;
  readonly signal: AbortSignal;
}

export interface PulledImage {
  readonly image: StoredImage;
  readonly name: string;
  /** True if the store had the image already. */
  readonly isKnown: boolean;
}

/**
 * Pulls an image from its registry into the store, with the login that docker has for it, and removes images that were
 * not used for the longest time if the store is then over its limit. Throws one line.
 */
export async function pullImage(store: ImageStore, text: string, options: PullOptions): Promise<PulledImage> {
  const reference = parseImageReference(text);
  const name = nameOf(reference);
  try {
    const { digest, isKnown } = await fetchImage(store, reference, name, options);
    const image = store.list().find((each) => each.digest === digest);
    if (image === undefined) throw new ImageError("another process removed it meanwhile; pull it again");
    await makeRoom(store, digest);
    return { image, name, isKnown };
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason;
    throw new ImageError(`pull ${name}: ${reason(error)}${remedyOf(error)}`, { cause: error });
  }
}

async function fetchImage(
  store: ImageStore,
  reference: ReturnType<typeof parseImageReference>,
  name: string,
  { plainHttp = false, onProgress, signal }: PullOptions,
): Promise<{ readonly digest: string; readonly isKnown: boolean }> {
  const client = new RegistryClient(reference, {
    ...proxies(),
    plainHttp,
    signal,
    findLogin: () => dockerLogin(reference.registry),
  });
  const blobs = registryStore(client, reference);
  await using image = await readStoredImage(blobs, name, {});
  return { digest: image.digest, isKnown: await keepImage(store, blobs, image, name, { onProgress, signal }) };
}

/** Reads the proxy settings of the environment, as docker and curl do. */
function proxies(): { readonly httpsProxy: string; readonly noProxy: string } {
  const variable = (name: string) => process.env[name] || process.env[name.toLowerCase()] || "";
  return { httpsProxy: variable("HTTPS_PROXY"), noProxy: variable("NO_PROXY") };
}

function remedyOf(error: unknown): string {
  const { code = "" } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT" ? "; guestctl rmi removes images" : "";
}
