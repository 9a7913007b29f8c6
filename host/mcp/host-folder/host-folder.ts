import { lstatSync, realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { SandboxError } from "../../sdk/error/sandbox-error.ts";
import { sandboxError, toSandboxError } from "../../sdk/error/to-sandbox-error.ts";

/** Folder of the host that tools may read. */
export interface HostFolder {
  /** Absolute path as the user gave it. */
  readonly path: string;
  /** The same without links. */
  readonly real: string;
  /** True if tools may also create files in it. */
  readonly writable: boolean;
}

/**
 * Returns the real path of a file or folder that exists in one of the folders. Throws SandboxError; a path outside of
 * them fails before the file system is touched, so that a client learns nothing about it.
 */
export function pathToRead(what: string, folders: readonly HostFolder[], path: string): string {
  checkText(what, folders, path);
  const real = realPath(what, path);
  if (isIn(folders, real)) return real;
  throw denied(what, folders, path);
}

/** Returns the real path of a name that doesn't exist yet in one of the writable folders. Throws SandboxError. */
export function pathToCreate(what: string, folders: readonly HostFolder[], path: string): string {
  const writable = folders.filter((folder) => folder.writable);
  checkText(what, writable, path);
  const plain = resolve(path);
  const real = join(realPath(what, dirname(plain)), basename(plain));
  if (!isIn(writable, real)) throw denied(what, writable, path);
  if (lstatSync(real, { throwIfNoEntry: false }) === undefined) return real;
  throw sandboxError("already-exists", `${what}: ${path} exists already`);
}

function checkText(what: string, folders: readonly HostFolder[], path: string): void {
  if (!isAbsolute(path))
    throw sandboxError("invalid-argument", `${what}: ${JSON.stringify(path)} is not an absolute path`);
  if (!isIn(folders, resolve(path))) throw denied(what, folders, path);
}

function realPath(what: string, path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw toSandboxError(what, error);
  }
}

function isIn(folders: readonly HostFolder[], path: string): boolean {
  const isBelow = (folder: string) => path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
  return folders.some((folder) => isBelow(folder.path) || isBelow(folder.real));
}

function denied(what: string, folders: readonly HostFolder[], path: string): SandboxError {
  const allowed = folders.length === 0 ? "none is" : `only ${folders.map((folder) => folder.path).join(", ")}`;
  const remedy = "ask the user to start guestctl mcp with --folder";
  return new SandboxError("permission-denied", `${what}: ${path} is in no allowed folder (${allowed})`, { remedy });
}
