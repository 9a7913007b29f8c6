import { chmodSync, chownSync, constants, mkdirSync, rmdirSync } from "node:fs";
import { O_PATH } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { Fd, Sys } from "../kernel/kernel.ts";
import { openBeneath } from "./shared-path.ts";

const { O_DIRECTORY, O_NOFOLLOW } = constants;

/** Of directories that are made on the way: all get the mode, the last one the owner as well. */
export interface DirectoryTraits {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A directory that is open, and what was made to have it. */
export interface SharedParent {
  /** O_PATH. */
  readonly fd: Fd;
  /** Removes the directories that were made, as far as they are empty. Before `close`. */
  undo(): void;
  close(): void;
}

/** What an O_PATH descriptor stands for, as a path for calls that know no descriptors. */
export const pathOf = (fd: Fd): string => `/proc/self/fd/${fd}`;

/** Opens the directory `names` below `root`, making what is missing. Throws AgentError or Node's errors, and leaves nothing. */
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
    let fd = openThere(sys, root, names);
    if (fd !== undefined) return { ...parent, fd: keep(fd) };
    fd = root;
    for (const [index, name] of names.entries()) {
      const there = openThere(sys, root, names.slice(0, index + 1));
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

function openThere(sys: Pick<Sys, "openat2">, root: Fd, names: readonly string[]): Fd | undefined {
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
    // Somebody else has put something there.
  }
}
