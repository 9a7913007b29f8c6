import type { Files } from "../kernel/files.ts";

export interface MountEntry {
  readonly source: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** Lists /proc/self/mounts in order, with octal escapes decoded. */
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

/** Returns the topmost mount on a path. Ignores trailing slashes. */
export function mountedOn(files: Pick<Files, "readText">, path: string): MountEntry | undefined {
  const wanted = path.length > 1 ? path.replace(/\/+$/, "") : path;
  return listMounts(files).findLast((entry) => entry.mountPoint === wanted);
}

function unescapeOctal(word: string): string {
  return word.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
