import { readlinkSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type Files, realFiles } from "../kernel/files.ts";
import { namesIn } from "../kernel/pci-path.ts";

/** /sys and /dev of the guest; tests have trees of their own. */
export interface Sysfs extends Pick<Files, "exists" | "list" | "readText"> {
  /** Off the main thread: buses take their time to look through. */
  write(path: string, text: string): Promise<void>;
  /** Undefined for what is no link. */
  linkTarget(path: string): string | undefined;
}

export const realSysfs: Sysfs = {
  ...realFiles,
  write: (path, text) => writeFile(path, text, { flag: "r+" }),
  linkTarget(path) {
    try {
      return readlinkSync(path);
    } catch {
      return undefined;
    }
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
