import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { makeBusyboxImage } from "../../host/image/make-image.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";

it("guestctl run --rootfs block runs containers of one image on one disk, which they can't change", async () => {
  const directory = makeWorkDirectory("block-root");
  const run = (...args: string[]) => runGuestctl(directory, args);
  try {
    const image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    const script = "echo mine >/etc/mine && rm /bin/ls && exec sleep 1000";
    const first = ["run", "-d", "--name", "disk", "--rootfs", "block", image, "sh", "-c", script];
    expect(await run(...first)).toEqual({ stdout: "disk\n", stderr: "", code: 0 });
    const [id = "", ...others] = readdirSync(join(directory, "guestd/roots"));
    expect([id, others]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), []]);
    const digest = () => createHash("sha256").update(readFileSync(join(directory, "guestd/roots", id, "root.erofs")));
    const before = digest().digest("hex");
    const look = "ls /etc/mine; cut -d' ' -f1-3 /proc/mounts | head -1; echo x >/bin/sh; id -un";
    const second = await run("run", "--guest", "disk", "-u", "nobody", image, "sh", "-c", look);
    expect(second.stdout).toBe("overlay / overlay\nnobody\n");
    expect(second.stderr).toMatch(/^ls: \/etc\/mine: No such file or directory\nsh: .*\/bin\/sh: Permission denied\n$/);
    expect((await run("rm", "disk")).code).toBe(0);
    expect(digest().digest("hex")).toBe(before);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
