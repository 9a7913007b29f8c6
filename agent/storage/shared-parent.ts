import { chmodSync, chownSync, constants, mkdirSync, rmdirSync } from "node:fs";
import { O_PATH } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { Fd, Sys } from "../kernel/kernel.ts";
import { openBeneath } from "./shared-path.ts";

const { O_DIRECTORY, O_NOFOLLOW } = constants;

/** Attributes of directories that are created on the way. All get the mode; the last one gets the owner too. */
export interface DirectoryTraits {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** An open directory, and the directories that were created to reach it. */
export interface SharedParent {
  /** O_PATH. */
  readonly fd: Fd;
  /** Removes the created directories that are still empty. To be called before `close`. */
  undo(): void;
  close(): void;
}

/** Returns a path to an O_PATH descriptor, for calls that don't take descriptors. */
export const pathOf = (fd: Fd): string => `/proc/self/fd/${fd}`;

/**
 * Opens the directory `names` below `root`, creating missing directories. Throws AgentError or Node's errors, and
 * leaves nothing behind.
 */
export function openSharedParent(
  sys: Pick<Sys, "openat2" | "close">,
  root: Fd,
  names: readonly string[],
  traits: DirectoryTraits,
): SharedParent {
  const opened: Fd[] = [];
  const made: string[] = [];
  const keep = (fd: Fd): Fd => {
    opened.push(fd);
    return fd;
  };
  const parent = {
    undo: () => made.splice(0).toReversed().forEach(removeIfEmpty),
    close: () => opened.splice(0).forEach(sys.close),
  };
  try {
    let fd = openExisting(sys, root, names);
    if (fd !== undefined) return { ...parent, fd: keep(fd) };
    fd = root;
    for (const [index, name] of names.entries()) {
      const there = openExisting(sys, root, names.slice(0, index + 1));
      if (there !== undefined) fd = keep(there);
      else {
        const path = `${pathOf(fd)}/${name}`;
        mkdirSync(path);
        made.push(path);
        fd = keep(openBeneath(sys, fd, [name], O_PATH | O_DIRECTORY | O_NOFOLLOW));
        if (index === names.length - 1) chownSync(pathOf(fd), traits.uid, traits.gid);
        chmodSync(pathOf(fd), traits.mode);
      }
    }
    return { ...parent, fd };
  } catch (error) {
    parent.undo();
    parent.close();
    throw error;
  }
}

function openExisting(sys: Pick<Sys, "openat2">, root: Fd, names: readonly string[]): Fd | undefined {
  try {
    return openBeneath(sys, root, names.length === 0 ? ["."] : names, O_PATH | O_DIRECTORY);
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // It isn't empty any more.
  }
}
