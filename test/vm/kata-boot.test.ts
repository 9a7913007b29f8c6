import { join } from "node:path";
import { describe, it } from "vitest";
import { buildDebugImage } from "./testing/guest-machine.ts";
import { bootsForKata } from "./testing/kata-boot-suite.ts";

/** Debian's kernel has the disk drivers as modules, so it needs an initramfs. The other cases are in test/nightly. */
describe("the image for Kata hosts, with their kernel command lines", () => {
  it.each([
    ["runtime-rs", "pmem"],
    ["go-shim", "disk"],
  ] as const)("boots for %s from %s, runs a container and powers off", async (host, root) => {
    const image = join(await buildDebugImage([]), "image/guest.img");
    await bootsForKata(host, root, { image });
  });
});
