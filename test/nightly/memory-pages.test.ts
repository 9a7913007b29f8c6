import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { boot, file, whyNoMachine } from "../init/testing/boot.ts";
import { differingShares, memoryPages, SHARES_SCRIPT, TMPFS_SHARES } from "../init/testing/tmpfs-shares.ts";

const AGENT = `#!/bin/busybox sh
export PATH=/bin; /bin/busybox --install /bin
${SHARES_SCRIPT}
echo o > /proc/sysrq-trigger; sleep 60
`;
const busybox = () => file("bin/busybox", readFileSync("/bin/busybox"));

const why = whyNoMachine();
describe.skipIf(why !== undefined)(
  `the size of a guest's memory${why === undefined ? "" : `: skipped, ${why}`}`,
  () => {
    test("gives each tmpfs its share, whether the number of pages is odd or even", async () => {
      const parities = new Set<number>();
      // Of two sizes that differ by a page one is odd; the kernel may need one more of the larger for itself.
      for (let pages = 50_000; parities.size < 2; pages++) {
        expect(pages, "both parities were found").toBeLessThan(50_004);
        const printed = await boot([busybox(), file("usr/lib/guestd/agent", AGENT)], `mem=${4 * pages}K`);
        parities.add(memoryPages(printed) % 2);
        expect(differingShares(printed, TMPFS_SHARES), printed).toEqual([]);
      }
    });
  },
);
