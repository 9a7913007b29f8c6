import { join } from "node:path";
import { describe, it } from "vitest";
import { buildDebugImage } from "./guest-machine.ts";
import { bootsForKata } from "./kata-boot-suite.ts";

/** Debian's kernel has the drivers of disks as modules, so an initramfs brings them; the rest is in test/nightly. */
describe("the image for Kata hosts, with their kernel command lines", () => {
  it.each([
    ["runtime-rs", "pmem"],
    ["go-shim", "disk"],
  ] as const)("boots for %s from %s, runs a container and powers off", async (host, root) => {
    const image = join(await buildDebugImage([]), "image/guest.img");
    await bootsForKata(host, root, { image });
  });
});
