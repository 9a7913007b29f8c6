import { readlinkSync } from "node:fs";
import type { Files } from "../kernel/files.ts";

/**
 * What a guest for strangers' code wants, by the names of sysctl(8). None of them takes anything from init or the agent, which
 * have all capabilities, or from a container with the capability that the kernel asks for then. Some stay until the guest goes.
 */
export const GUEST_SYSCTLS: readonly (readonly [name: string, value: string])[] = [
  ["dev.tty.ldisc_autoload", "0"],
  ["dev.tty.legacy_tiocsti", "0"], // since 6.2
  ["fs.protected_fifos", "1"],
  ["fs.protected_hardlinks", "1"],
  ["fs.protected_regular", "2"],
  ["fs.protected_symlinks", "1"],
  ["fs.suid_dumpable", "0"],
  ["kernel.dmesg_restrict", "1"],
  ["kernel.kexec_load_disabled", "1"],
  ["kernel.kptr_restrict", "2"],
  ["kernel.perf_event_paranoid", "3"], // Debian's; 2 elsewhere, which 3 comes to
  ["kernel.randomize_va_space", "2"],
  ["kernel.sysrq", "0"],
  ["kernel.unprivileged_bpf_disabled", "1"],
  ["net.core.bpf_jit_harden", "2"],
  ["vm.unprivileged_userfaultfd", "0"],
];

const MODULES_DISABLED = "/proc/sys/kernel/modules_disabled";
/** The inode of the kernel's first pid namespace; it is fixed. */
const FIRST_PID_NAMESPACE = "pid:[4026531836]";

export interface SysctlResult {
  /** Those that this kernel does not have. */
  readonly missing: readonly string[];
  /** Those that it did not take, each with why. */
  readonly refused: readonly string[];
}

/** Sets each of them; one that fails does not keep the others from being set. */
export function setSysctls(
  { writeText }: Pick<Files, "writeText">,
  sysctls: readonly (readonly [name: string, value: string])[],
): SysctlResult {
  const missing: string[] = [];
  const refused: string[] = [];
  for (const [name, value] of sysctls) {
    try {
      writeText(`/proc/sys/${name.replaceAll(".", "/")}`, value);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") missing.push(name);
      else refused.push(`${name}=${value}: ${code ?? message}`);
    }
  }
  return { missing, refused };
}

/** From now on the kernel loads no module, and none is removed. A kernel without modules has nothing to lock. */
export function lockKernelModules({ exists, writeText }: Pick<Files, "exists" | "writeText">): void {
  if (exists(MODULES_DISABLED)) writeText(MODULES_DISABLED, "1");
}

/** Is the kernel this guest's alone? It is not in the pid namespaces of tests, nor in a container. */
export function ownsKernel(): boolean {
  return readlinkSync("/proc/self/ns/pid") === FIRST_PID_NAMESPACE;
}
