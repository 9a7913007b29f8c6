import type { MadeOutput } from "../outputs/make-output.ts";
import { kernelType, outputNamed } from "../outputs/output-names.ts";
import { mappingParameter } from "../outputs/verity-disk.ts";

/** Skips self-tests of the kernel's algorithms, a third of its start without KVM, and tracing files that take 9 MiB. */
export const LEFT_OUT = ["cryptomgr.notests", "initcall_blacklist=tracer_init_tracefs"];

/** Guest's names of the first disk and of persistent memory. */
const DISK = "/dev/vda";
const MEMORY = "/dev/pmem0";

/**
 * Returns the words of the kernel command line that select the root.
 * @param dax attaches the disk with the header as persistent memory instead of an ordinary disk
 */
export function rootParameters(made: MadeOutput, dax: boolean): readonly string[] {
  const output = outputNamed(made.output);
  if (output.kind === "initramfs") return [];
  const type = `rootfstype=${kernelType(output.fileSystem)}`;
  if (made.verity !== undefined) return [mappingParameter(made.verity), "root=/dev/dm-0", type, "ro"];
  if (output.layout === "plain") return [`root=${DISK}`, type, "ro"];
  if (output.layout === "dax-disk" && dax) return [`root=${MEMORY}p1`, type, "rootflags=dax=always", "ro"];
  return [`root=${DISK}1`, type, "ro"];
}

/** True if DAX can map the output of this name. */
export function isDax(name: string): boolean {
  const output = outputNamed(name);
  return output.kind === "file system" && output.layout === "dax-disk";
}

/** Persistent memory is above 4 GiB, for which Linux would reserve 64 MiB of bounce buffers. */
export function bounceParameters(name: string): readonly string[] {
  return isDax(name) ? ["swiotlb=noforce"] : [];
}
