import { type BlobStore, directoryStore } from "../../../image/blob-store.ts";
import { pinned } from "../../../image/pinned-store.ts";
import { type Image, type ReadImageOptions, readStoredImage } from "../../../image/read-image.ts";
import { parseImageReference } from "../../../image/registry/image-reference.ts";
import { RegistryClient } from "../../../image/registry/registry-client.ts";
import { registryStore } from "../../../image/registry/registry-store.ts";
import type { ImageSettings } from "./image-settings.ts";
import type { PullOptions } from "./pull-options.ts";

/** Opens the image for this machine's platform from a layout or a registry. The caller closes it. */
export async function openImage(pull: PullOptions, settings: ImageSettings, signal: AbortSignal): Promise<Image> {
  const { image, layout, plainHttp } = pull;
  if (layout !== undefined) return openInLayout(directoryStore(layout), layout, image);
  const reference = parseImageReference(image);
  const client = new RegistryClient(reference, { ...settings, plainHttp, signal });
  return readStoredImage(registryStore(client, reference), image, {});
}

/** Opens by digest, or by the name in the layout's index. Without a name, the layout must hold one image. */
function openInLayout(store: BlobStore, layout: string, image: string): Promise<Image> {
  const [, digest] = image.split("@");
  if (digest !== undefined) return readStoredImage(pinned(store, digest), layout, {});
  const named: ReadImageOptions = image === "" ? {} : { name: image.replace(/^docker\.io\/(library\/)?/, "") };
  return readStoredImage(store, layout, named);
}
