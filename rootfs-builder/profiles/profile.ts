import type { MadeOutput } from "../outputs/make-output.ts";

/** Files that a profile's start refers to, by their names in the guest's folder. */
export interface GuestFiles {
  readonly kernel: string;
  readonly initrd: string | undefined;
  readonly root: MadeOutput;
}

/** One way to start the guest. */
export interface Start {
  readonly machine: string;
  /** The complete kernel command line. */
  readonly kernelCommandLine: string;
  /** Command that the host runs, in the folder of the files. */
  readonly command: readonly string[];
  /** Additional JSON files that the command reads, by name. */
  readonly configuration?: Readonly<Record<string, unknown>>;
  /** Note for the user. */
  readonly note?: string;
}

export interface Profile {
  readonly defaultOutput: string;
  /** True if the profile can start the output of this name. */
  readonly takes: (output: string) => boolean;
  /** Format of the kernel; Kata's host has its own. */
  readonly kernel: "bzImage" | "vmlinux" | "the host's";
  /** Kernel modules in its initramfs, in addition to those of the root's file system. */
  readonly modules: (output: string) => readonly string[];
  readonly starts: (files: GuestFiles) => readonly Start[];
}

/**
 * Returns the MiB of memory that a guest starts with. An initramfs stays in memory, and takes twice its size while it
 * is unpacked.
 */
export function memoryMib(root: MadeOutput): number {
  return root.output.startsWith("initramfs") ? 768 : 512;
}
