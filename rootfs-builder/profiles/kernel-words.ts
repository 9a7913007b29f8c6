import type { MadeOutput } from "../outputs/make-output.ts";
import { kernelType, outputNamed } from "../outputs/output-names.ts";
import { mappingParameter } from "../outputs/verity-disk.ts";

/** Of a kernel's start: the tests of its own algorithms, a third of its time without KVM, and the files of its tracing, of 9 MiB. */
export const LEFT_OUT = ["cryptomgr.notests", "initcall_blacklist=tracer_init_tracefs"];

/** What the first disk and persistent memory are called in a guest. */
const DISK = "/dev/vda";
const MEMORY = "/dev/pmem0";

/**
 * The words of the kernel's command line that name the root.
 * @param dax the disk with the header is given as persistent memory; else it is a disk like others
 */
export function rootWords(made: MadeOutput, dax: boolean): readonly string[] {
  const output = outputNamed(made.output);
  if (output.kind === "initramfs") return [];
  const type = `rootfstype=${kernelType(output.fileSystem)}`;
  if (made.verity !== undefined) return [mappingParameter(made.verity), "root=/dev/dm-0", type, "ro"];
  if (output.layout === "plain") return [`root=${DISK}`, type, "ro"];
  if (output.layout === "dax-disk" && dax) return [`root=${MEMORY}p1`, type, "rootflags=dax=always", "ro"];
  return [`root=${DISK}1`, type, "ro"];
}

/** Whether the output of this name is one that DAX can map. */
export function isDax(name: string): boolean {
  const output = outputNamed(name);
  return output.kind === "file system" && output.layout === "dax-disk";
}

/** Persistent memory lies above 4 GiB, for which Linux would set 64 MiB of bounce buffers aside. */
export function bounceWords(name: string): readonly string[] {
  return isDax(name) ? ["swiotlb=noforce"] : [];
}
