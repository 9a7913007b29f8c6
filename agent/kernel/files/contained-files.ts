import type { RestoredProcess } from "../kernel.ts";
import type { Handle, ServedFiles } from "./served-files.ts";

/** A directory of the guest whose files belong to a container, or to the guest itself. */
export interface FileRoot {
  /**
   * Id of the container that the files are read or written for, or path of a directory that several may see; "" for the guest
   * itself.
   */
  readonly container: string;
  /** Path of the guest: "/", or a running process's /proc/PID/root. */
  readonly path: string;
  /** Directory below it in which paths are resolved. Default: itself. */
  readonly below?: string;
  /** Set for a process's root: false once the process has ended, as its pid may be another's. */
  isAlive?(): boolean;
}

/**
 * Returns a directory of the guest, for paths that no container's mounts lead to. Calls for a container, which may hold up its
 * files there too, name it: they wait for no other's, and count for it.
 */
export const guestRoot = (container: string, below?: string): FileRoot => ({
  container,
  path: "/",
  ...(below !== undefined && { below }),
});

/** Returns for whom a directory's files are read or written that isn't one container's. Long paths count by their ends. */
export const directoryOwner = (path: string): string => (path.length <= 160 ? path : `/…${path.slice(-100)}`);

/** The calls on one root's files. */
export type Served = Pick<ServedFiles, keyof ServedFiles>;

/** Calls of one user alone. */
export interface OwnFiles extends Disposable {
  readonly files: Served;
}

/**
 * Access to files that a container controls, or its file systems serve. Each call is made by a process that the kernel may
 * hold without holding the agent, and no descriptor of such a file comes to the agent.
 */
export interface ContainedFiles {
  /**
   * Makes short calls in the process that a root's users share. Rejects with the signal's reason if it aborts first, and with
   * "unavailable" if the file system doesn't answer.
   */
  use<T>(root: FileRoot, calls: (files: Served) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /**
   * Like `use`, for calls that only read; they get the root's directory. One process serves all roots of a container, including
   * those from before its first process.
   */
  lookUp<T>(root: FileRoot, calls: (files: Served, dir: Handle) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Starts the process for a container's look-ups, which will follow soon. */
  prepare(container: string): void;
  /** Opens a process of its own for long work; disposing ends it. */
  open(root: FileRoot): OwnFiles;
  /** Kills such a process that a previous agent left. */
  abandon(container: string, process: RestoredProcess): void;
  /** Ends the processes of a container, and resolves once they are gone, or held by the kernel. */
  end(container: string): Promise<void>;
}
