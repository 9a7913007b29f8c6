import type { MadeOutput } from "../outputs/make-output.ts";

/** What a profile's way to start is written with; files by their names in the guest's folder. */
export interface GuestFiles {
  readonly kernel: string;
  readonly initrd: string | undefined;
  readonly root: MadeOutput;
}

/** One way to start the guest. */
export interface Start {
  readonly machine: string;
  /** All of the kernel's command line. */
  readonly kernelCommandLine: string;
  /** What the host runs, in the folder of the files. */
  readonly command: readonly string[];
  /** Files that the command reads besides the guest's, by name: JSON. */
  readonly configuration?: Readonly<Record<string, unknown>>;
  /** What has to be known. */
  readonly note?: string;
}

export interface Profile {
  readonly defaultOutput: string;
  /** Whether the output of this name can be started. */
  readonly takes: (output: string) => boolean;
  /** Whose kernel boots it; Kata has its own. */
  readonly kernel: "bzImage" | "vmlinux" | "the host's";
  /** Kernel modules that its initramfs has, besides those of the root's file system. */
  readonly modules: (output: string) => readonly string[];
  readonly starts: (files: GuestFiles) => readonly Start[];
}

/** MiB that a guest starts with: an initramfs stays in its memory, and is there twice while it is unpacked. */
export function memoryMib(root: MadeOutput): number {
  return root.output.startsWith("initramfs") ? 768 : 512;
}
