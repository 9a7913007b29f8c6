import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { GuestOptions } from "../machine/guest-options.ts";
import { CliError } from "./cli-error.ts";
import { type NetworkFlags, withNetworkFlags } from "./network-flags.ts";
import { agentOption, count, kernelWords, mebibytes } from "./option-values.ts";

/** The guest that is booted. */
export interface GuestFlags extends NetworkFlags {
  readonly vmImage?: string;
  readonly vmMemory?: number;
  readonly vmCpus?: number;
  readonly agent?: readonly string[];
  readonly kernelArgs?: readonly string[];
}

export function withGuestFlags(command: Command): Command {
  return withNetworkFlags(command)
    .option("--vm-image <dir>", "boot what guestctl image build left in this folder")
    .option("--vm-memory <size>", "memory of the guest that is booted, as 512m", mebibytes)
    .option("--vm-cpus <count>", "processors of the guest that is booted", count)
    .option("--agent <name=value>", "option of its agent, as log=debug; may be repeated", agentOption)
    .option("--kernel-args <words>", "more words for its kernel command line; may be repeated", kernelWords);
}

/** The words for the kernel command line. */
export function guestWords({ agent = [], kernelArgs = [] }: GuestFlags): Pick<GuestOptions, "kernelArgs"> {
  return { kernelArgs: [...kernelArgs, ...agent] };
}

/** Files to boot from if not the default image. Throws CliError for a folder without one. */
export function guestImage({ vmImage }: GuestFlags): Pick<GuestOptions, "kernel" | "initrd" | "image"> {
  if (vmImage === undefined) return {};
  const file = (name: string) => {
    const path = join(resolve(vmImage), "image", name);
    if (existsSync(path)) return path;
    const how = `build one there with "guestctl image build RECIPE --to ${vmImage}"`;
    throw new CliError(`--vm-image ${vmImage}: the folder has no guest image (image/${name} is missing); ${how}`);
  };
  return { kernel: file("vmlinuz"), initrd: file("initrd.cpio"), image: file("guest.img") };
}

export interface Limits {
  /** Bytes. */
  readonly memory?: number | undefined;
  readonly cpus?: number | undefined;
}

/** MiB that a guest has where nobody says; and what it needs beside a container. */
const MEMORY_MIB = 512;
const SYSTEM_MIB = 256;

/** A guest in which a container with these limits has room. */
export function guestSize(flags: GuestFlags, limits: Limits = {}): { memoryMib: number; cpus: number } {
  const wanted = Math.ceil((limits.memory ?? 0) / 2 ** 20) + SYSTEM_MIB;
  return {
    memoryMib: flags.vmMemory ?? Math.max(MEMORY_MIB, wanted),
    cpus: flags.vmCpus ?? Math.max(1, Math.ceil(limits.cpus ?? 1)),
  };
}
