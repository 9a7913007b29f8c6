import { GUEST_QUOTAS } from "../guest/guest-quotas.ts";
import { GUEST_SYSCTLS, lockKernelModules, ownsKernel, setSysctls } from "../guest/guest-sysctls.ts";
import type { Files } from "../kernel/files.ts";
import type { Log } from "./log.ts";
import type { Options } from "./options.ts";

interface ProtectGuestParts {
  readonly files: Files;
  readonly service: boolean;
  readonly log: Log;
  /** Refuses the loading of modules by the agent and the programs that it runs. */
  readonly refuseModules: () => void;
}

/**
 * Returns what CreateSandbox does to the kernel before there is a container: the quotas always, sysctls and the lock for modules as
 * the options say. Not at the start, whose time would be longer. Nothing is done to a kernel that is shared with others.
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
