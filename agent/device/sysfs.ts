import { constants, lstatSync, readlinkSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type Files, realFiles } from "../kernel/files.ts";
import { namesIn } from "../kernel/pci-path.ts";

const PERMISSIONS = 0o7777;

/** /sys and /dev of the guest; tests have trees of their own. */
export interface Sysfs extends Pick<Files, "exists" | "list" | "readText"> {
  /** Off the main thread: buses take their time to look through. */
  write(path: string, text: string): Promise<void>;
  /** Undefined for what is no link. */
  linkTarget(path: string): string | undefined;
  /** Permission bits; undefined for what is not there. */
  mode(path: string): number | undefined;
}

export const realSysfs: Sysfs = {
  ...realFiles,
  // not "r+": sysfs opens what can only be written (rescan, unbind) for nothing else, not for root either
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

/** Undefined for a file that is not there, or not any more. */
export function readIfThere(sysfs: Sysfs, path: string): string | undefined {
  try {
    return sysfs.readText(path);
  } catch {
    return undefined;
  }
}

/** Of a file `dev`: "254:16". */
export function readNumbers(
  sysfs: Sysfs,
  path: string,
): { readonly major: number; readonly minor: number } | undefined {
  const [, major, minor] = /^(\d+):(\d+)\n?$/.exec(readIfThere(sysfs, path) ?? "") ?? [];
  return major === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}

/** For errors. */
export function present(sysfs: Sysfs, what: string, directory: string, matches = /./): string {
  const names = namesIn(sysfs, directory).filter((name) => matches.test(name));
  return `${what} that are: ${names.sort().join(", ") || "none"}`;
}
