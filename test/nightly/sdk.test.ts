import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { StateStore } from "../../host/engine/record/state-store.ts";
import { Sandbox, SandboxError } from "../../host/sdk/index.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { qemuBelow } from "../testing/qemu-below.ts";

const example = join(import.meta.dirname, "../../examples/untrusted-code.ts");

describe("the SDK with a guest", () => {
  let directory: string;
  let image: string;
  beforeAll(async () => {
    directory = makeWorkDirectory("sdk");
    image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    vi.stubEnv("XDG_RUNTIME_DIR", directory);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(directory, { recursive: true, force: true });
  });

  it("creates a sandbox that others find, and whose death every call reports", async () => {
    const sandbox = await Sandbox.create({ image, name: "web", memoryMib: 256, files: { "/data/file": "content" } });
    const { exitCode, stdout } = await sandbox.exec("cat /data/file; exit 3");
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: "content" });
    expect(await Sandbox.list()).toMatchObject([{ name: "web", image, memoryMib: 256, cpus: 1 }]);
    await using other = await Sandbox.connect("web");
    expect(await other.files.read("/data/file", { encoding: "utf8" })).toBe("content");
    expect((await sandbox.stats()).tasks).toBeGreaterThan(0);
    expect((await sandbox.explain()).length).toBeGreaterThan(10);
    expect(await sandbox.metrics()).toContain("guestd_heap_bytes");

    const running = other.exec(["sleep", "1000"]);
    const own = sandbox.exec(["sleep", "1000"]);
    await Promise.all([running.started(), own.started()]);
    const [pid = -1] = qemuBelow(process.pid);
    process.kill(pid, "SIGKILL");
    for (const call of [() => own, () => running, () => sandbox.stats()]) {
      const error = await (async () => call())().catch((error: unknown) => error);
      expect(error).toBeInstanceOf(SandboxError);
      expect(error).toMatchObject({
        code: "guest-died",
        message: expect.stringMatching(/^[^\n]+; guestctl logs --console/),
      });
    }
    await sandbox.stop();
    expect(new StateStore().guests()).toEqual([]);
  });

  it("is powered off at its time limit, which another program may change", async () => {
    await using sandbox = await Sandbox.create({ image, name: "timed", lifetimeMs: 1_000_000 });
    const [{ endsAt } = {}] = await Sandbox.list();
    expect(endsAt?.getTime()).toBeGreaterThan(Date.now());
    await using other = await Sandbox.connect("timed");
    const running = sandbox.exec(["sleep", "1000"]);
    await running.started();
    await other.setTimeout(1);
    await expect(running).rejects.toMatchObject({
      code: "guest-died",
      message: expect.stringMatching(/guest: powered off, as its time limit has passed at /),
    });
  });

  it("gets less memory while it runs, which another program may give back", async () => {
    await using sandbox = await Sandbox.create({ image, name: "sized", memoryMib: 512 });
    const total = async () =>
      Number(/\d+/.exec((await sandbox.exec(["grep", "MemTotal", "/proc/meminfo"])).stdout)?.[0]);
    const before = await total();
    await sandbox.resize({ memoryMib: 256 });
    expect(await Sandbox.list()).toMatchObject([{ memoryMib: 256 }]);
    expect(await total()).toBeLessThan(before - 200 * 1024);
    await using other = await Sandbox.connect("sized");
    await expect(other.resize({ memoryMib: 1024 })).rejects.toThrow(/it can have 128 to 512 MiB, not 1024/);
    await other.resize({ memoryMib: 512 });
    expect(await total()).toBe(before);
  });

  it("confines code that nobody trusts, and powers the guest off", async () => {
    const env = { ...process.env, GUESTD_IMAGE: image };
    const { stdout } = await promisify(execFile)(process.execPath, [example], { env });
    expect(stdout.split("\n")).toEqual([
      "echo fine: 0 fine",
      "while :; do :; done: timeout",
      "head -c 5000000 /dev/zero: limit",
      "tail /dev/zero: 137",
      "echo owned > /etc/passwd: 1",
      expect.stringMatching(/^ping -c 1 10.0.2.2: [12]/),
      "",
    ]);
    expect(await Sandbox.list()).toEqual([]);
  });
});
