import { GUEST_QUOTAS } from "../guest/guest-quotas.ts";
import { GUEST_SYSCTLS, lockKernelModules, ownsKernel, setSysctls } from "../guest/guest-sysctls.ts";
import type { Files } from "../kernel/files.ts";
import type { Log } from "./log.ts";
import type { Options } from "./options.ts";

interface ProtectGuestParts {
  readonly files: Files;
  readonly service: boolean;
  readonly log: Log;
  /** Forbids the agent and the programs it runs to load modules. */
  readonly refuseModules: () => void;
}

/**
 * Returns a function that protects the kernel before the first container: it always sets the quotas, and by options the sysctls and
 * the module lock. CreateSandbox calls it, as it would delay the agent's start. A service leaves its shared kernel unchanged.
 */
export function protectGuest(
  { guestSysctl, lockModules }: Pick<Options, "guestSysctl" | "lockModules">,
  { files, service, log, refuseModules }: ProtectGuestParts,
): () => void {
  return () => {
    refuseModules();
    if (service || !ownsKernel()) return;
    if (lockModules) lockKernelModules(files);
    const { missing, refused } = setSysctls(files, guestSysctl ? [...GUEST_QUOTAS, ...GUEST_SYSCTLS] : GUEST_QUOTAS);
    if (missing.length > 0) log.info({ missing }, "sysctls that this kernel does not have");
    if (refused.length > 0) log.warn({ refused }, "sysctls that this kernel did not take");
  };
}
