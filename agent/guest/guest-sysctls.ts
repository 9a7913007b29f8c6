import { readlinkSync } from "node:fs";
import type { Files } from "../kernel/files.ts";

/**
 * Settings for a guest that runs untrusted code, by sysctl(8) name. They restrict neither init and the agent, which
 * have all capabilities, nor a container with the capability that the kernel then requires. Some can't be changed back
 * until the guest ends.
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
  ["kernel.perf_event_paranoid", "3"], // Debian's value; other kernels treat it as 2
  ["kernel.randomize_va_space", "2"],
  ["kernel.sysrq", "0"],
  ["kernel.unprivileged_bpf_disabled", "1"],
  ["net.core.bpf_jit_harden", "2"],
  ["vm.unprivileged_userfaultfd", "0"],
];

const MODULES_DISABLED = "/proc/sys/kernel/modules_disabled";
/** Inode number of the kernel's first pid namespace, which is constant. */
const FIRST_PID_NAMESPACE = "pid:[4026531836]";

export interface SysctlResult {
  /** Sysctls that this kernel lacks. */
  readonly missing: readonly string[];
  /** Sysctls that the kernel refused, each with the reason. */
  readonly refused: readonly string[];
}

/** Sets all sysctls, also after one has failed. */
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

/** Stops the kernel from loading or removing modules. Does nothing on a kernel without modules. */
export function lockKernelModules({ exists, writeText }: Pick<Files, "exists" | "writeText">): void {
  if (exists(MODULES_DISABLED)) writeText(MODULES_DISABLED, "1");
}

/** True if this guest has the kernel to itself. False in the pid namespaces of tests and in a container. */
export function ownsKernel(): boolean {
  return readlinkSync("/proc/self/ns/pid") === FIRST_PID_NAMESPACE;
}
