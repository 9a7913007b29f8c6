import { MachineError } from "./machine-error.ts";
import { cacheDirectory } from "./paths.ts";

const NOT_WRITABLE: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "it is on a read-only file system",
  ENOTDIR: "a part of its path is a file",
  EEXIST: "it is a file",
};

/** Throws `error`, or a MachineError with the remedy if it says that this user can't write to `directory` in the cache. */
export function throwCacheError(error: unknown, directory: string): never {
  const why = error instanceof Error && "code" in error ? NOT_WRITABLE[String(error.code)] : undefined;
  const { path, dest } = (error ?? {}) as { readonly path?: unknown; readonly dest?: unknown };
  if (why === undefined || !`${path} ${dest}`.includes(cacheDirectory())) throw error;
  throw new MachineError(`write to ${directory}: ${why}; make it writable, or set GUESTD_CACHE to another folder`, {
    kind: "permission-denied",
  });
}
