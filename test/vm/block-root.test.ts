import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { blockRootOf } from "../../host/block-root/block-root.ts";
import { BlockStore } from "../../host/block-root/block-store.ts";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { makeBusyboxImage } from "../../host/image/make-image.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";

it("guestctl run --rootfs block gives a container its image on a disk, which it can't change, and a disk to write of bounded size", async () => {
  const directory = makeWorkDirectory("block-root");
  try {
    const image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    const store = new BlockStore(join(directory, "guestd/roots"));
    using made = await blockRootOf({ path: image }, { user: "test", store });
    const digest = () => createHash("sha256").update(readFileSync(made.root.file)).digest("hex");
    const before = digest();
    const lines = ["rm /bin/ls", "echo mine >/etc/mine", "cat /etc/mine", "cut -d' ' -f1-3 /proc/mounts | head -1"];
    lines.push("dd if=/dev/zero of=/big bs=1M count=32 2>&1 | grep -o 'No space.*'");
    const flags = ["--rootfs", "block", "--storage-opt", "size=16m"];
    const ended = await runGuestctl(directory, ["run", ...flags, image, "sh", "-c", lines.join("; ")]);
    expect(ended).toEqual({ stdout: "mine\noverlay / overlay\nNo space left on device\n", stderr: "", code: 0 });
    expect(readdirSync(join(directory, "guestd/layers"))).toEqual([]);
    expect([digest(), store.list()]).toEqual([before, [made.root]]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
