import { basename, normalize, resolve } from "node:path/posix";
import type { ConnectionOptions } from "./connection.ts";

export interface CopyOptions extends ConnectionOptions {
  /** Keeps owners, ACLs and modes. Otherwise modes are less the umask. */
  readonly keepOwners?: boolean | undefined;
  /** Keeps set-user-id and set-group-id bits and file capabilities. */
  readonly keepPrivileges?: boolean;
  /** Follows a link at the end of the source's path. */
  readonly follow?: boolean | undefined;
  /** Called with the bytes and members so far, and the bytes of the whole copy if they are known. */
  onProgress?: ((bytes: number, members: number, total?: number) => void) | undefined;
  /** Called when a connection is lost and the next attempt follows. */
  onDisconnect?(reason: string): void;
  /** How long attempts to connect again may fail, ms. Default: a minute. */
  readonly giveUpMs?: number;
}

/** A file or directory in a container; an empty container is the guest itself. */
export interface CopyPlace {
  readonly container: string;
  readonly path: string;
}

export interface CopyReport {
  readonly members: number;
  /** One line for each kind of thing that was left out. */
  readonly notes: readonly string[];
}

/** Returns the name of what is copied out, which only the host decides. */
export function nameOf({ container, path }: CopyPlace): string {
  return basename(resolve("/", path)) || basename(resolve("/", container)) || "guest";
}

/** Returns a path as the agent takes it: "." and ".." by name, and a slash at its end if only a directory can be there. */
export function requestedPath(path: string): string {
  return path.startsWith("/") ? normalize(path.replace(/\/\.$/, "/")) : path;
}

/** True if only a directory can be at the path. */
export const isDirectoryPath = (path: string): boolean => /(^|\/)\.{0,2}$/.test(path);

/** True for the source `DIR/.`: everything in the directory. */
export const hasContentsMark = (path: string): boolean => /(^|\/)\.\/?$/.test(path);
