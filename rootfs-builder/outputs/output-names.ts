import { BuildError } from "../build-error.ts";
import type { Compression } from "../initramfs/compress.ts";

/** Formats of a root. DAX can map `erofs`, which isn't compressed. */
export const FILE_SYSTEMS = ["erofs", "erofs-lz4hc", "ext4", "squashfs"] as const;
export type FileSystem = (typeof FILE_SYSTEMS)[number];

/** Layout around a file system; see docs/images.md. */
type Layout = "plain" | "disk" | "dax-disk" | "verity-disk";
const COMPRESSIONS = ["none", "gzip", "zstd"] as const satisfies readonly Compression[];

export type Output =
  | { readonly kind: "file system"; readonly fileSystem: FileSystem; readonly layout: Layout }
  | { readonly kind: "initramfs"; readonly compression: Compression };

/** All outputs by name: a file system, alone or with `-disk`, `-dax-disk` or `-verity-disk`, or an initramfs. */
const BY_NAME: ReadonlyMap<string, Output> = new Map([
  ...FILE_SYSTEMS.flatMap((fileSystem) => {
    // DAX maps the bytes of files as they are on the disk
    const dax = fileSystem === "erofs" || fileSystem === "ext4";
    const layouts: Layout[] = ["plain", "disk", ...(dax ? (["dax-disk"] as const) : []), "verity-disk"];
    return layouts.map((layout): [string, Output] => [
      layout === "plain" ? fileSystem : `${fileSystem}-${layout}`,
      { kind: "file system", fileSystem, layout },
    ]);
  }),
  ...COMPRESSIONS.map((compression): [string, Output] => [
    compression === "none" ? "initramfs" : `initramfs-${compression}`,
    { kind: "initramfs", compression },
  ]),
]);

/** Names of the outputs that `makeOutput` writes. */
export const OUTPUTS: readonly string[] = [...BY_NAME.keys()];

export function outputNamed(name: string): Output {
  const output = BY_NAME.get(name);
  if (output === undefined) throw new BuildError(`output ${name}: unknown; use one of ${OUTPUTS.join(", ")}`);
  return output;
}

/** Returns the file name of an output. */
export function outputFile(name: string): string {
  const output = outputNamed(name);
  if (output.kind === "file system") return `root.${name}.img`;
  return `root.cpio${{ none: "", gzip: ".gz", zstd: ".zst" }[output.compression]}`;
}

/** Returns the kernel's name of a file system. */
export function kernelType(fileSystem: FileSystem): string {
  return fileSystem === "erofs-lz4hc" ? "erofs" : fileSystem;
}
