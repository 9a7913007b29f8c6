import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { chooseImage, type PullPolicy } from "../../engine/image/store/choose-image.ts";
import type { RootfsSource } from "../../engine/image/unpack-rootfs.ts";
import { sandboxError } from "../error/to-sandbox-error.ts";

/** An image of a registry, by its name. */
export interface RegistryImage {
  /** Such as "alpine:3.20", "quay.io/a/b" or "localhost:5000/a@sha256:…". */
  readonly reference: string;
  /** When it is pulled: always, if this user's store lacks it, or never. Default: missing. */
  readonly pull?: PullPolicy;
  /** Allows http without TLS for registries other than those on loopback. */
  readonly plainHttp?: boolean;
  /** Called with the bytes so far and those of all, during a pull. */
  onProgress?(bytes: number, total: number): void;
}

/** Where a sandbox's root file system comes from. */
export type ImageChoice =
  /** A path, if it begins with / or . or exists; otherwise the name of an image in a registry. */
  | string
  /** A file of `docker save`, an OCI layout (directory or tar), or a directory that is a root file system. */
  | {
      readonly path: string;
      /** Which image, if there are several. */
      readonly name?: string;
    }
  /** Pulled anonymously or with the login of docker's configuration, and kept in this user's store. */
  | RegistryImage
  /** A path in the guest that already is a root file system; only with `address`. */
  | { readonly guestPath: string };

/**
 * A source that disposal releases.
 *
 * @internal
 */
export interface ChosenRootfs extends Disposable {
  readonly source: RootfsSource;
  /** For people. */
  readonly name: string;
}

/**
 * Returns the source of a choice, pulled if it has to be. Throws SandboxError, ImageError or RegistryError.
 *
 * @internal
 */
export async function chooseRootfs(
  choice: Exclude<ImageChoice, { readonly guestPath: string }>,
  container: string,
  signal: AbortSignal,
): Promise<ChosenRootfs> {
  if (choice === "") throw sandboxError("invalid-argument", "image: no image given");
  if (typeof choice === "object" && "path" in choice) return chooseFile(choice.path, choice.name);
  const {
    reference,
    pull = "missing",
    plainHttp = false,
    onProgress,
  } = typeof choice === "string" ? ({ reference: choice } as RegistryImage) : choice;
  if (typeof choice === "string" && (/^[./]/.test(choice) || existsSync(choice))) return chooseFile(choice);
  const progress = (bytes: number, total: number) => onProgress?.(bytes, total);
  const chosen = await chooseImage({ text: reference, container, pull, plainHttp, signal, onProgress: progress });
  return { source: { path: chosen.path }, name: reference, [Symbol.dispose]: () => chosen[Symbol.dispose]() };
}

function chooseFile(path: string, name?: string): ChosenRootfs {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw sandboxError("not-found", `image ${path}: there is no such file`);
  const isLayout = ["index.json", "manifest.json"].some((file) => existsSync(join(path, file)));
  const source = stat.isDirectory() && !isLayout ? { folder: path } : { path, name };
  return { source, name: name ?? path, [Symbol.dispose]: () => undefined };
}
