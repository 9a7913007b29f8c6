import { existsSync } from "node:fs";
import { OperationError } from "../../../operation-error.ts";
import type { StoredImage } from "./image-store.ts";

/** When an image is pulled: always, if the store lacks it, or never. */
export type PullPolicy = "always" | "missing" | "never";

export interface ImageSource {
  /** Path of a file or name of an image, as given. */
  readonly text: string;
  /** Name of the container that uses it. */
  readonly container: string;
  readonly pull: PullPolicy;
  readonly plainHttp: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number, total: number) => void;
}

/** A file or layout to unpack. An image of the store is not removed from there until disposal. */
export interface ChosenImage extends Disposable {
  /** Path or name, as given. */
  readonly text: string;
  readonly path: string;
}

/** Attempts to use an image that other processes remove meanwhile. */
const ATTEMPTS = 3;

/** Returns the file of that name, or the pulled image, which is pulled first if that is necessary. Throws one line. */
export async function chooseImage(source: ImageSource): Promise<ChosenImage> {
  const { text } = source;
  if (isPath(text)) {
    // Before a guest is booted for it.
    if (!existsSync(text)) throw new OperationError(`image ${text}: no such file or folder`, { kind: "not-found" });
    return { text, path: text, [Symbol.dispose]: () => undefined };
  }
  const { ImageStore } = await import("./image-store.ts");
  const store = new ImageStore();
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const image = await storedImage(source, () => store.find(text)?.image);
    const use = store.use(image, source.container);
    if (use !== undefined) return { text, path: image.path, [Symbol.dispose]: () => use[Symbol.dispose]() };
  }
  throw new OperationError(`image ${text}: other processes keep removing it; raise GUESTCTL_IMAGE_LIMIT`);

  async function storedImage(
    { pull, plainHttp, signal, onProgress }: ImageSource,
    find: () => StoredImage | undefined,
  ): Promise<StoredImage> {
    const found = pull === "always" ? undefined : find();
    if (found !== undefined) return found;
    if (pull === "never") {
      throw new OperationError(
        `image ${text}: neither a file nor in the store; guestctl pull ${text}, or leave out --pull never`,
      );
    }
    const { pullImage } = await import("./pull-image.ts");
    return (await pullImage(store, text, { plainHttp, signal, onProgress })).image;
  }
}

/** Notes that a running container uses an image of the store, until disposal. Undefined for files and images that are gone. */
export async function useStored(text: string, container: string): Promise<Disposable | undefined> {
  if (text === "" || isPath(text)) return undefined;
  const { ImageStore } = await import("./image-store.ts");
  const store = new ImageStore();
  const found = store.find(text)?.image;
  return found && store.use(found, container);
}

/** True for an existing file or directory, and for words that can only be meant as one. */
export function isPath(text: string): boolean {
  return /^[./~]|\.(tar|tgz|tzst)(\.\w+)?$/.test(text) || existsSync(text);
}
