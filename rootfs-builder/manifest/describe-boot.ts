import { basename } from "node:path";
import { type PackageFacts, sha256Of } from "../debian/package-facts.ts";
import { readCpio, unpacked } from "../inspect/read-cpio.ts";
import { describeEntry } from "./describe-tree.ts";
import type { ManifestFile } from "./manifest.ts";

/** Kernel and initramfs of our own: what boots until the root is mounted. */
export function describeBoot(
  kernel: Buffer,
  initrd: Buffer,
  packages: readonly PackageFacts[],
): readonly ManifestFile[] {
  const from = (name: string, sha256: string): string => {
    const owner = packages.find(({ files }) =>
      Object.entries(files).some(([path, digest]) => digest === sha256 && basename(path).startsWith(name)),
    );
    return owner === undefined ? "kernel" : `deb:${owner.name}`;
  };
  const digest = sha256Of(kernel);
  const archive = [...readCpio(unpacked(initrd).bytes)].filter(([, { type }]) => type === "file");
  return [
    {
      ...{ path: "vmlinuz", type: "file", mode: "0644", size: kernel.length, sha256: digest },
      ...{ part: "kernel", from: from("vmlinuz", digest) },
    },
    ...archive.map(([path, entry]): ManifestFile => {
      const described = describeEntry(entry);
      const module = path.endsWith(".ko");
      const source = module ? from("", described.sha256 ?? "") : "guestd";
      return { path: `initrd.cpio.gz:${path}`, ...described, part: module ? "kernel modules" : "init", from: source };
    }),
  ];
}
