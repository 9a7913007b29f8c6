import { closeSync, constants, fstatSync, openSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { RESOLVE_BENEATH } from "../../../agent/kernel/constants.ts";
import { treeCalls } from "../../../agent/kernel/sys/tree-calls.ts";
import { archiveError, codeOf } from "../../../lib/archive/archive-error.ts";
import { chooseDestination, type Destination } from "../../../lib/archive/choose-destination.ts";
import { localFiles } from "../../../lib/archive/local-files.ts";
import { O_PATH, type TreeFiles } from "../../../lib/archive/tree-files.ts";
import type { SinkRoot } from "../../../lib/archive/tree-sink.ts";
import type { SourceRoot } from "../../../lib/archive/tree-source.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

let calls: ReturnType<typeof treeCalls> | undefined;

/** Files of the host, whose file systems may all be read. */
export function hostTree(): TreeFiles {
  calls ??= treeCalls();
  const { openName } = calls;
  return localFiles({ ...calls, openEntry: (dir, name, flags) => openName(dir, name, flags, RESOLVE_BENEATH) });
}

/** Opens what is copied. Throws ArchiveError. */
export function openSource(
  path: string,
  follow: boolean,
  opened: DisposableStack,
): SourceRoot & {
  readonly isDirectory: boolean;
  /** Length of a file; undefined for a directory. */
  readonly size: number | undefined;
} {
  try {
    const isWhole = /(^|\/)\.?\.?\/*$/.test(path);
    const place = isWhole ? realpathSync(path) : resolve(path);
    const fd = opened.adopt(openSync(place, follow || isWhole ? O_PATH : O_PATH | O_NOFOLLOW), closeSync);
    const stat = fstatSync(fd);
    const target = stat.isSymbolicLink() ? { target: readlinkSync(place, { encoding: "buffer" }) } : {};
    const name = Buffer.from(basename(place) || "root").toString("latin1");
    return { fd, name, isDirectory: stat.isDirectory(), size: stat.isFile() ? stat.size : undefined, ...target };
  } catch (error) {
    throw archiveError(path, error);
  }
}

/**
 * Opens the directory that a copy goes to. `from` is the first name of the archive's members; `what.name` replaces it.
 * Throws ArchiveError.
 */
export function openDestination(
  path: string,
  from: string,
  what: Omit<Destination, "path" | "found">,
  opened: DisposableStack,
): SinkRoot {
  try {
    const placing = chooseDestination({ ...what, path, found: found(path) });
    const place = resolve(path);
    const into = placing.where === "into";
    const dir = opened.adopt(openSync(into ? place : dirname(place), O_RDONLY | O_DIRECTORY), closeSync);
    const to = into ? placing.as : Buffer.from(basename(place)).toString("latin1");
    return { dir, rename: { from, to, directory: what.directory } };
  } catch (error) {
    throw archiveError(path, error);
  }
}

function found(path: string): "directory" | "file" | undefined {
  try {
    return statSync(path).isDirectory() ? "directory" : "file";
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
