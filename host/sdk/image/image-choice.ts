import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RootfsSource } from "../../sandbox/unpack-rootfs.ts";
import { sandboxError } from "../error/to-sandbox-error.ts";

/** Where a sandbox's root file system comes from. */
export type ImageChoice =
  /** A path, if it begins with / or . or exists; otherwise a name in a registry, such as "alpine:3.20". */
  | string
  /** A file of `docker save`, an OCI layout (directory or tar), or a directory that is a root file system. */
  | {
      readonly path: string;
      /** Which image, if there are several. */
      readonly name?: string;
    }
  /** A path in the guest that already is a root file system; only with `address`. */
  | { readonly guestPath: string };

/** Returns the source of a choice on this machine, and its name for people. Throws SandboxError. */
export function rootfsSource(choice: Exclude<ImageChoice, { readonly guestPath: string }>): {
  readonly source: RootfsSource;
  readonly name: string;
} {
  if (typeof choice === "string" && choice === "") throw sandboxError("invalid-argument", "image: no image given");
  if (typeof choice === "string" && !/^[./]/.test(choice) && !existsSync(choice)) {
    throw sandboxError("not-found", `image ${choice}: there is no such file`);
  }
  const { path, name } = typeof choice === "string" ? { path: choice, name: undefined } : choice;
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw sandboxError("not-found", `image ${path}: there is no such file`);
  if (stat.isDirectory() && !["index.json", "manifest.json"].some((file) => existsSync(join(path, file)))) {
    return { source: { folder: path }, name: path };
  }
  return { source: { path, ...(name === undefined ? {} : { name }) }, name: name ?? path };
}
