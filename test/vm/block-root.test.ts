import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { blockRootOf } from "../../host/block-root/block-root.ts";
import { BlockStore } from "../../host/block-root/block-store.ts";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { makeBusyboxImage } from "../../host/image/make-image.ts";
import { StateStore } from "../../host/state/state-store.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";

const script = (lines: readonly string[]) => ["sh", "-c", lines.join("; ")];

it("what a container writes is bounded by a disk of its own, there again after a kill and start, and gone with it", async () => {
  const directory = makeWorkDirectory("block-layer");
  const run = (...args: string[]) => runGuestctl(directory, args);
  const layers = () => readdirSync(join(directory, "guestd/layers"));
  const logs = async () => (await run("logs", "web")).stdout.trim().split("\n");
  try {
    const image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    const lines = [
      "cat /kept 2>/dev/null || echo new",
      "dd if=/dev/zero of=/big bs=1M count=32 2>&1 | grep -o 'No space.*'",
      "rm /big",
      "echo kept >/kept && chown 5:6 /kept && stat -c %u:%g /kept",
      "sync",
      "echo done",
      "exec sleep 1000",
    ];
    const flags = ["-d", "--name", "web", "--rootfs", "block", "--storage-opt", "size=16m"];
    expect(await run("run", ...flags, image, ...script(lines))).toEqual({ stdout: "web\n", stderr: "", code: 0 });
    const first = ["new", "No space left on device", "5:6", "done"];
    await expect.poll(logs, { timeout: 50_000 }).toEqual(first);
    const [layer = ""] = layers();
    const disk = join(directory, "guestd/layers", layer, "disk");
    expect(statSync(disk)).toMatchObject({ size: 2 ** 24, nlink: 1 });
    const { keeper } = new StateStore(join(directory, `guestd-${process.geteuid?.()}`)).processes.list("web")[0] ?? {};
    process.kill(keeper?.pid ?? 0, "SIGKILL");
    expect(await run("start", "web")).toEqual({ stdout: "web\n", stderr: "", code: 0 });
    await expect.poll(logs, { timeout: 50_000 }).toEqual([...first, "kept", ...first.slice(1)]);
    expect(layers()).toEqual([layer]);
    expect(await run("rm", "--time", "120", "web")).toEqual({ stdout: "web\n", stderr: "", code: 0 });
    expect(layers()).toEqual([]);
  } finally {
    await run("stop", "web");
    rmSync(directory, { recursive: true, force: true });
  }
});

it("guestctl run --rootfs block gives a container its image on a disk, which it can't change", async () => {
  const directory = makeWorkDirectory("block-root");
  try {
    const image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    const store = new BlockStore(join(directory, "guestd/roots"));
    using made = await blockRootOf({ path: image }, { user: "test", store });
    const digest = () => createHash("sha256").update(readFileSync(made.root.file)).digest("hex");
    const before = digest();
    const lines = ["rm /bin/ls", "echo mine >/etc/mine", "cat /etc/mine", "cut -d' ' -f1-3 /proc/mounts | head -1"];
    const ended = await runGuestctl(directory, ["run", "--rootfs", "block", image, ...script(lines)]);
    expect(ended).toEqual({ stdout: "mine\noverlay / overlay\n", stderr: "", code: 0 });
    expect([digest(), store.list()]).toEqual([before, [made.root]]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
