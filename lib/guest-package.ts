import { createRequire } from "node:module";
import { dirname } from "node:path";

/** Returns the name of the npm package with the guest for an architecture of Node, such as "x64". */
export function guestPackageName(architecture: string = process.arch): string {
  return `guestd-guest-linux-${architecture}`;
}

/** Returns the folder of this machine's installed guest package; undefined if there is none, as in a checkout. */
export function guestPackage(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${guestPackageName()}/package.json`));
  } catch {
    return undefined;
  }
}
