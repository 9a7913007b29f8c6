import type { Files } from "../kernel/files.ts";

export interface MountEntry {
  readonly source: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** /proc/self/mounts, in order; octal escapes resolved. */
export function listMounts(files: Pick<Files, "readText">): MountEntry[] {
  return files
    .readText("/proc/self/mounts")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [source = "", mountPoint = "", type = "", options = ""] = line.split(" ").map(unescapeOctal);
      return { source, mountPoint, type, options: options.split(",") };
    });
}

/** What is mounted on a path now, on top. A trailing slash doesn't matter. */
export function mountedOn(files: Pick<Files, "readText">, path: string): MountEntry | undefined {
  const wanted = path.length > 1 ? path.replace(/\/+$/, "") : path;
  return listMounts(files).findLast((entry) => entry.mountPoint === wanted);
}

function unescapeOctal(word: string): string {
  return word.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
