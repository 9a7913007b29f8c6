import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

let found: string | undefined;

/** Returns the nearest folder with a package.json: the root of the checkout, or of the installed package. */
export function packageRoot(): string {
  for (let folder = import.meta.dirname; found === undefined; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) found = folder;
    else if (folder === dirname(folder)) throw new Error(`no package.json at or above ${import.meta.dirname}`);
  }
  return found;
}

/** True in a checkout, which builds its guest itself. */
export function isCheckout(): boolean {
  return existsSync(join(packageRoot(), "rootfs-builder", "build.ts"));
}
