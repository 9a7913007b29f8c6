import { join } from "node:path";
import { it } from "vitest";
import { buildDebugImage } from "./testing/guest-machine.ts";
import { bootsForKata } from "./testing/kata-boot-suite.ts";

// Debian's kernel has the disk drivers as modules, so it needs an initramfs. The other cases are in test/nightly.
it("the image for Kata hosts boots for go-shim from a disk, with its kernel command line, runs a container and powers off", async () => {
  await bootsForKata("go-shim", "disk", { image: join(await buildDebugImage([]), "image/guest.img") });
});
