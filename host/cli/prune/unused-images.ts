import { fullName } from "../../engine/image/store/image-name.ts";
import type { ImageStore, StoredImage } from "../../engine/image/store/image-store.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import type { Pruned } from "./pruned.ts";

/** Returns the images that no container uses or, ended, was made from; without `all` those whose names newer ones have. */
export function unusedImages(images: ImageStore, store: StateStore, all: boolean): readonly StoredImage[] {
  const wanted = new Set(imagesOfContainers(store));
  return images
    .list()
    .filter(({ names, containers }) => containers.length === 0 && !names.some((name) => wanted.has(name)))
    .filter(({ names }) => all || names.length === 0);
}

export async function pruneImages(images: ImageStore, store: StateStore, all: boolean): Promise<Pruned> {
  const before = images.size();
  const names: string[] = [];
  for (const image of unusedImages(images, store, all)) {
    if (await images.remove(image)) names.push(...(image.names.length === 0 ? [image.digest] : image.names));
  }
  return { names, bytes: Math.max(0, before - images.size()) };
}

/** Returns the full names of the images that containers were made from; files aren't in the store. */
function imagesOfContainers(store: StateStore): readonly string[] {
  const guests = [...store.guests(), ...store.endedGuests()];
  return guests.flatMap(({ name }) => store.processes.list(name)).flatMap(({ image }) => nameOf(image) ?? []);
}

function nameOf(text: string): string | undefined {
  try {
    return fullName(text);
  } catch {
    return undefined;
  }
}
