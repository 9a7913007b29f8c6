import { constants, lstatSync, readlinkSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type Files, realFiles } from "../kernel/files.ts";
import { namesIn } from "../kernel/pci-path.ts";

const PERMISSIONS = 0o7777;

/** The guest's /sys and /dev. Tests use their own trees. */
export interface Sysfs extends Pick<Files, "exists" | "list" | "readText"> {
  /** Writes off the main thread, because scanning a bus takes time. */
  write(path: string, text: string): Promise<void>;
  /** Undefined if the path is not a link. */
  linkTarget(path: string): string | undefined;
  /** Permission bits; undefined if the file doesn't exist. */
  mode(path: string): number | undefined;
}

export const realSysfs: Sysfs = {
  ...realFiles,
  // Not "r+": sysfs allows no reading of files that are only for writing (rescan, unbind), not even for root.
  write: (path, text) => writeFile(path, text, { flag: constants.O_WRONLY }),
  linkTarget(path) {
    try {
      return readlinkSync(path);
    } catch {
      return undefined;
    }
  },
  mode(path) {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    return stat && stat.mode & PERMISSIONS;
  },
};

/** Returns undefined if the file doesn't exist or is removed meanwhile. */
export function readIfThere(sysfs: Sysfs, path: string): string | undefined {
  try {
    return sysfs.readText(path);
  } catch {
    return undefined;
  }
}

/** Reads device numbers from a file `dev`: "254:16". */
export function readNumbers(
  sysfs: Sysfs,
  path: string,
): { readonly major: number; readonly minor: number } | undefined {
  const [, major, minor] = /^(\d+):(\d+)\n?$/.exec(readIfThere(sysfs, path) ?? "") ?? [];
  return major === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}

/** Lists what is present, for error messages. */
export function present(sysfs: Sysfs, what: string, directory: string, matches = /./): string {
  const names = namesIn(sysfs, directory).filter((name) => matches.test(name));
  return `${what} present: ${names.sort().join(", ") || "none"}`;
}
