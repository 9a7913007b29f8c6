import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { PackageFacts } from "../debian/package-facts.ts";
import { sha256Of } from "../digest.ts";
import { MODULE_LIST } from "../inspect/module-checks.ts";
import { readCpio, unpacked } from "../inspect/read-cpio.ts";
import { describeEntry } from "./describe-tree.ts";
import type { ManifestFile } from "./manifest.ts";

export interface BootFiles {
  /** Paths of the files. */
  readonly kernel: string;
  readonly initrd: string | undefined;
  /** True if the initramfs is the whole root. */
  readonly whole: boolean;
  /** Prefix of the outputs' names: "qemu/"; empty by default. */
  readonly below?: string;
}

/**
 * Describes our own kernel and initramfs, which boot until the root is mounted. If the initramfs is the whole root,
 * describes only what it has in addition.
 */
export async function describeBoot(
  { kernel, initrd, whole, below = "" }: BootFiles,
  packages: readonly PackageFacts[],
): Promise<readonly ManifestFile[]> {
  const image = await readFile(kernel);
  const sha256 = sha256Of(image);
  const [name, archive] = [basename(kernel), basename(initrd ?? "")];
  const entries = initrd === undefined ? [] : [...readCpio(unpacked(await readFile(initrd)).bytes)];
  const described = entries.filter(
    ([path, { type }]) => type === "file" && (!whole || path.endsWith(".ko") || path === MODULE_LIST),
  );
  return [
    {
      ...{ path: below + name, type: "file", mode: "0644", size: image.length, sha256 },
      // The payload of a bzImage is from the same package.
      ...{ part: "kernel", from: sourceOf(sha256, packages, name === "vmlinux") },
    },
    ...described.map(([path, entry]): ManifestFile => {
      const found = describeEntry(entry);
      const module = path.endsWith(".ko");
      const from = module ? sourceOf(found.sha256 ?? "", packages, false) : "guestd";
      return { path: `${below}${archive}:${path}`, ...found, part: module ? "kernel modules" : "init", from };
    }),
  ];
}

function sourceOf(sha256: string, packages: readonly PackageFacts[], unpackedKernel: boolean): string {
  const owner = packages.find(
    ({ files, trimmed }) => unpackedKernel || Object.values(files).includes(sha256) || trimmed.includes(sha256),
  );
  return owner === undefined ? "kernel" : `deb:${owner.name}`;
}
