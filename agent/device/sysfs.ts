import { writeFile } from "node:fs/promises";
import { type Files, realFiles } from "../kernel/files.ts";
import { namesIn } from "../kernel/pci-path.ts";

/** /sys and /dev of the guest; tests have trees of their own. */
export interface Sysfs extends Pick<Files, "exists" | "list" | "readText"> {
  /** Off the main thread: buses take their time to look through. */
  write(path: string, text: string): Promise<void>;
}

export const realSysfs: Sysfs = {
  ...realFiles,
  write: (path, text) => writeFile(path, text, { flag: "r+" }),
};

/** Undefined for a file that is not there, or not any more. */
export function readIfThere(sysfs: Sysfs, path: string): string | undefined {
  try {
    return sysfs.readText(path);
  } catch {
    return undefined;
  }
}

/** For errors. */
export function present(sysfs: Sysfs, what: string, directory: string, matches = /./): string {
  const names = namesIn(sysfs, directory).filter((name) => matches.test(name));
  return `${what} that are: ${names.sort().join(", ") || "none"}`;
}
