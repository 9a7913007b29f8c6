import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { GuestOptions } from "../../vm/guest-options.ts";
import { CliError } from "../cli-error.ts";
import { type NetworkFlags, withNetworkFlags } from "./network-flags.ts";
import { optionNames } from "./option-names.ts";
import { agentOption, count, identifier, kernelWords, mebibytes } from "./option-values.ts";

/** Flags of the guest to boot. */
export interface GuestFlags extends NetworkFlags {
  readonly vmImage?: string;
  readonly vmMemory?: number;
  readonly vmCpus?: number;
  readonly agent?: readonly string[];
  readonly kernelArgs?: readonly string[];
  readonly template?: string;
  /** Seconds without use after which it is saved. */
  readonly idle?: number;
}

/** Throws CliError for flags that a template's guest can't have: it has the machine and the devices of its snapshot. */
export function checkTemplateFlags(command: string, flags: GuestFlags): void {
  if (flags.template === undefined) return;
  const own = ["vmImage", "vmMemory", "vmCpus", "agent", "kernelArgs", "network", "publish"];
  const names = optionNames(flags, own);
  if (names === "") return;
  throw new CliError(`${command}: ${names} can't be combined with --template; give them to guestctl template create`);
}

/** Throws CliError if a guest with these flags can't be saved when it is idle. */
export function checkIdleFlag(
  command: string,
  flags: GuestFlags & { readonly detach?: true },
  hasShare: boolean,
): void {
  if (flags.idle === undefined) return;
  if (!flags.detach) throw new CliError(`${command}: --idle needs --detach: a guest that a command keeps isn't idle`);
  if (hasShare)
    throw new CliError(`${command}: a guest with a shared folder can't be saved; leave out --idle, or -v and --rootfs`);
  if (flags.network === "tap")
    throw new CliError(`${command}: a guest with a tap network can't be saved; leave out --idle`);
}

/** Adds the flags of a guest to boot, or to start from a template. */
export function withGuestFlags(command: Command): Command {
  return withVmFlags(withNetworkFlags(command))
    .option("--template <name>", "start it from this template instead of booting one", identifier)
    .option(
      "--idle <seconds>",
      "with --detach: save the guest after this time without use; the next use continues it",
      count,
    );
}

/** Adds the flags of a guest's machine and files. */
export function withVmFlags(command: Command): Command {
  return command
    .option("--vm-image <dir>", "boot the image that guestctl image build wrote to this folder")
    .option(
      "--vm-memory <size>",
      "memory of the booted guest, such as 512m (default: 512m, or a container's --memory and 256m)",
      mebibytes,
    )
    .option("--vm-cpus <count>", "processors of the booted guest", count)
    .option("--agent <name=value>", "option for its agent, such as log=debug; repeatable", agentOption)
    .option("--kernel-args <words>", "additional kernel parameters; repeatable", kernelWords);
}

/** Returns the additional words for the kernel command line. */
export function guestWords({ agent = [], kernelArgs = [] }: GuestFlags): Pick<GuestOptions, "kernelArgs"> {
  return { kernelArgs: [...kernelArgs, ...agent] };
}

/** Returns the files to boot from instead of the default image. Throws CliError if the folder has no image. */
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

/** Returns the option that shows the guest's console on stderr. */
export function guestConsole({ verbose }: { readonly verbose?: true }): Pick<GuestOptions, "onConsole"> {
  return verbose ? { onConsole: (line) => void process.stderr.write(`${line}\n`) } : {};
}

export interface Limits {
  /** Bytes. */
  readonly memory?: number | undefined;
  readonly cpus?: number | undefined;
}

/** Default guest memory, and the memory reserved for the guest's system beside a container. */
const MEMORY_MIB = 512;
const SYSTEM_MIB = 256;

/** Returns a guest size that fits a container with these limits. */
export function guestSize(flags: GuestFlags, limits: Limits = {}): { memoryMib: number; cpus: number } {
  const wanted = Math.ceil((limits.memory ?? 0) / 2 ** 20) + SYSTEM_MIB;
  return {
    memoryMib: flags.vmMemory ?? Math.max(MEMORY_MIB, wanted),
    cpus: flags.vmCpus ?? Math.max(1, Math.ceil(limits.cpus ?? 1)),
  };
}
