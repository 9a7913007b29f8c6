import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { blockRootOf } from "../../host/block-root/block-root.ts";
import { BlockStore } from "../../host/block-root/block-store.ts";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { makeBusyboxImage } from "../../host/image/make-image.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";

it("guestctl run --rootfs block gives a container its image on a disk, which it can't change", async () => {
  const directory = makeWorkDirectory("block-root");
  try {
    const image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    const store = new BlockStore(join(directory, "guestd/roots"));
    using made = await blockRootOf({ path: image }, { user: "test", store });
    const digest = () => createHash("sha256").update(readFileSync(made.root.file)).digest("hex");
    const before = digest();
    const script = "rm /bin/ls; echo mine >/etc/mine; cat /etc/mine; cut -d' ' -f1-3 /proc/mounts | head -1";
    const ended = await runGuestctl(directory, ["run", "--rootfs", "block", image, "sh", "-c", script]);
    expect(ended).toEqual({ stdout: "mine\noverlay / overlay\n", stderr: "", code: 0 });
    expect([digest(), store.list()]).toEqual([before, [made.root]]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
