import { lockKernelModules, ownsKernel, setGuestSysctls } from "../guest/guest-sysctls.ts";
import type { Files } from "../kernel/files.ts";
import type { Log } from "./log.ts";
import type { Options } from "./options.ts";

/**
 * Sets the guest's sysctls, as the options say, and gives what locks its modules once the sandbox has what it needs. Neither is
 * done to a kernel that is shared with others.
 */
export function protectGuest(
  { guestSysctl, lockModules }: Pick<Options, "guestSysctl" | "lockModules">,
  { files, service, log }: { readonly files: Files; readonly service: boolean; readonly log: Log },
): () => void {
  const mine = !service && ownsKernel();
  if (mine && guestSysctl) {
    const { missing, refused } = setGuestSysctls(files);
    if (missing.length > 0) log.info({ missing }, "sysctls that this kernel does not have");
    if (refused.length > 0) log.warn({ refused }, "sysctls that this kernel did not take");
  }
  return () => {
    if (mine && lockModules) lockKernelModules(files);
  };
}
