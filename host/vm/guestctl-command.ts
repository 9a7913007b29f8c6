import { isCheckout, packageRoot } from "../../lib/package-root.ts";

/** Where the .deb puts the package. */
const DEB = "/usr/lib/guestd/";

/** Returns how a user calls guestctl as it is installed: in a checkout, by the .deb, or as a package of npm. */
export function guestctlCommand(): string {
  if (isCheckout()) return "./guestctl";
  return packageRoot().startsWith(DEB) ? "guestctl" : "npx guestctl";
}

/** Returns the command that installs what guests need. */
export function setupCommand(flags = ""): string {
  return `${guestctlCommand()} setup${flags}`;
}
