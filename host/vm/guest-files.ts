import { guestPackage, guestPackageName } from "../../lib/guest-package.ts";
import { isCheckout } from "../../lib/package-root.ts";
import { setupCommand } from "./guestctl-command.ts";
import { MachineError } from "./machine-error.ts";
import { chosenKernel, imagePaths } from "./paths.ts";

/** Paths of what a guest boots from. */
export interface GuestFiles {
  readonly kernel: string;
  readonly initrd: string;
  readonly image: string;
}

/**
 * Returns what guests boot from: in a checkout the files of its build, otherwise those of the guest package with the
 * kernel that `guestctl setup` fetched. They are unpacked on first use. Throws MachineError.
 */
export async function guestFiles(): Promise<GuestFiles> {
  if (isCheckout()) return imagePaths;
  const directory = guestPackage();
  if (directory === undefined) {
    throw new MachineError(`${guestPackageName()} is not installed; install guestd without --omit=optional`, {
      kind: "not-installed",
    });
  }
  const kernel = chosenKernel();
  if (kernel === undefined)
    throw new MachineError(`no guest kernel; run "${setupCommand()}"`, { kind: "not-installed" });
  const { unpackGuest } = await import("./installed-guest.ts");
  return { kernel: kernel.kernel, ...(await unpackGuest(directory, kernel)) };
}
