import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { Sandbox } from "../../host/sdk/index.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";

let directory: string;
let image: string;
const run = (...args: string[]) => runGuestctl(directory, args);

beforeAll(async () => {
  directory = makeWorkDirectory("warm-guests");
  image = join(directory, "busybox.tar");
  await makeBusyboxImage(image);
  const made = await run("template", "create", "box", "--image", image, "--run", "echo prepared > /root/note");
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^box {2}[\d.]+ MiB, [\d.]+ s\n$/) });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const parsed = async (...args: string[]) => JSON.parse((await run(...args, "--json")).stdout) as { name: string }[];

describe("guestctl with templates", () => {
  it("runs a command in a template's container, with its exit code, and leaves nothing", async () => {
    const ended = await run("run", "--template", "box", "sh", "-c", "cat /root/note; hostname; exit 7");
    expect(ended.stdout).toMatch(/^prepared\nc-\w+\n$/);
    expect(ended.code).toBe(7);
    expect(await parsed("ps")).toEqual([]);
  });

  it("lists, inspects and refuses what is wrong in one line", async () => {
    const folder = join(directory, "guestd/templates/named/box");
    expect(statSync(join(folder, "disk-0")).nlink).toBe(2);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(await parsed("template", "ls")).toMatchObject([{ name: "box", containers: ["box"], memoryMib: 512 }]);
    const { manifest } = JSON.parse((await run("template", "inspect", "box")).stdout) as { manifest: object };
    expect(manifest).toMatchObject({ guest: "box", kernel: { digest: expect.stringMatching(/^[0-9a-f]{64}$/) } });
    for (const [args, line] of [
      [["template", "create", "box"], /^guestctl: template box: it already exists; .*\n$/],
      [["template", "create", "Wrong Name"], /^guestctl: template "Wrong Name": not a valid name; .*\n$/],
      [["template", "rm", "other"], /^guestctl: template other: no such template; .*\n$/],
      [["run", "--template", "other", "ls"], /^guestctl: template other: no such template; .*\n$/],
      [["run", "--template", "box", "--vm-memory", "1g", "ls"], /^guestctl: run: --vm-memory can't be combined .*\n$/],
      [["run", "--template", "box", "-v", "/tmp:/x", "ls"], /^guestctl: run: a template's guest has no shared .*\n$/],
      [
        ["template", "create", "bad", "--image", image, "--run", "exit 3"],
        /"\/bin\/sh -c exit 3" ended with exit code 3\n$/,
      ],
    ] as const) {
      const { stderr, code } = await run(...args);
      expect(stderr).toMatch(line);
      expect(code).not.toBe(0);
    }
    expect(await parsed("template", "ls")).toHaveLength(1);
  });

  it("saves a running guest, forks it, and pauses it", async () => {
    expect((await run("boot", "-d", "--template", "box", "--name", "dev")).code).toBe(0);
    try {
      await run("exec", "dev", "sh", "-c", "echo state > /root/state");
      expect(await run("fork", "dev", "--count", "2", "--name", "copy")).toMatchObject({
        code: 0,
        stdout: "copy-1\ncopy-2\n",
      });
      expect(await parsed("template", "ls")).toHaveLength(1);
      for (const name of ["copy-1", "copy-2"]) {
        expect((await run("exec", name, "sh", "-c", "cat /root/state; hostname")).stdout).toBe(`state\n${name}\n`);
      }
      await run("exec", "copy-1", "sh", "-c", "echo other > /root/state");
      expect((await run("exec", "dev", "cat", "/root/state")).stdout).toBe("state\n");
      expect((await run("exec", "box", "true")).stderr).toMatch(
        /ambiguous id: box in copy-1, box in copy-2, box in dev; add/,
      );
      expect((await run("snapshot", "dev", "again")).code).toBe(0);
      expect((await run("run", "--template", "again", "cat", "/root/state")).stdout).toBe("state\n");
      expect(await run("pause", "--guest", "dev")).toMatchObject({ code: 0, stdout: "dev\n" });
      expect(await run("resume", "--guest", "dev")).toMatchObject({ code: 0, stdout: "dev\n" });
      const before = Math.floor(Date.now() / 1000);
      const time = Number((await run("exec", "dev", "date", "+%s")).stdout);
      expect(time).toBeGreaterThanOrEqual(before - 1);
    } finally {
      for (const name of ["dev", "copy-1", "copy-2"]) await run("stop", name);
    }
  });

  it("gives each clone a copy of the disk that a container writes, which ends with the clone", async () => {
    const layers = () => readdirSync(join(directory, "guestd/layers"));
    const script = "echo state >/state; echo up; exec sleep 1000";
    expect((await run("run", "-d", "--rm", "--name", "disk", image, "sh", "-c", script)).code).toBe(0);
    await expect.poll(async () => (await run("logs", "disk")).stdout).toBe("up\n");
    expect((await run("fork", "disk", "--name", "disk")).stdout).toBe("disk-1\n");
    try {
      const change = "cat /state; echo other >/state; cat /state";
      expect((await run("exec", "disk-1", "sh", "-c", change)).stdout).toBe("state\nother\n");
      expect((await run("exec", "--guest", "disk", "disk", "cat", "/state")).stdout).toBe("state\n");
      expect(layers()).toHaveLength(2);
    } finally {
      for (const name of ["disk-1", "disk"]) await run("stop", name);
    }
    expect(layers()).toEqual([]);
  });

  it("starts a container from an image in a template without containers", async () => {
    expect((await run("template", "create", "base")).code).toBe(0);
    expect((await run("run", "--template", "base", image, "echo", "hello")).stdout).toBe("hello\n");
  });

  it("refuses to save a guest whose container uses the share, and the container continues", async () => {
    expect((await run("run", "-d", "--name", "shared", "--rootfs", "share", image, "sleep", "1000")).code).toBe(0);
    const { stderr, code } = await run("snapshot", "shared", "never");
    expect(stderr).toMatch(/^guestctl: save guest shared: containers use the share at .*; .*--rootfs share\n$/);
    expect(code).not.toBe(0);
    expect((await run("exec", "shared", "echo", "fine")).stdout).toBe("fine\n");
    await run("rm", "-f", "shared");
  });
});

describe("the SDK with templates", () => {
  const before = { ...process.env };
  beforeAll(() => Object.assign(process.env, { XDG_RUNTIME_DIR: directory, XDG_CACHE_HOME: directory }));
  afterAll(() => {
    for (const name of ["XDG_RUNTIME_DIR", "XDG_CACHE_HOME"]) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });

  it("forks a sandbox while a command runs, whose output stays whole", async () => {
    await using box = await Sandbox.create({ template: "box" });
    await box.files.write("/root/state", "kept");
    const count = "i=0; while [ $i -lt 100 ]; do echo $i; i=$((i+1)); sleep 0.05; done";
    const running = box.exec(count);
    await running.started();
    const clones = await box.fork({ count: 2 });
    for (const clone of clones) {
      if (clone instanceof Error) throw clone;
      await using each = clone;
      expect(await each.files.read("/root/state", { encoding: "utf8" })).toBe("kept");
      expect((await each.exec("hostname")).stdout).toBe(`${each.name}\n`);
      await using again = await Sandbox.connect(each.name);
      expect(again.name).toBe(each.name);
    }
    expect((await running).stdout).toBe(Array.from({ length: 100 }, (_, index) => `${index}\n`).join(""));
    await box.snapshot("from-sdk");
    expect((await box.exec("cat /root/note")).stdout).toBe("prepared\n");
  });

  it("takes sandboxes from a pool", async () => {
    await using pool = await Sandbox.pool({ template: "box", size: 2, maxMemoryMib: 1024 });
    const [one, two] = await Promise.all([pool.take(), pool.take()]);
    expect(one.name).not.toBe(two.name);
    const third = pool.take();
    await one.stop();
    expect((await (await third).exec("cat /root/note")).stdout).toBe("prepared\n");
    await two.stop();
    await (await third).stop();
  });

  it("warms those of a pool before anyone takes them: a new agent has created and removed containers", async () => {
    await using pool = await Sandbox.pool({ template: "box", size: 1, maxMemoryMib: 512 });
    await expect.poll(() => pool.ready, { timeout: 60_000 }).toBe(1);
    await using taken = await pool.take();
    const types: string[] = [];
    for await (const event of taken.events({ follow: false })) {
      types.push("container" in event ? `${event.type} ${event.container}` : event.type);
    }
    const since = types.slice(types.lastIndexOf("guest-resumed "));
    expect(since.filter((type) => type.startsWith("container-"))).toEqual(
      ["warm-up-0", "warm-up-1"].flatMap((id) =>
        ["created", "started", "exited", "removed"].map((what) => `container-${what} ${id}`),
      ),
    );
    expect((await taken.exec("cat /root/note")).stdout).toBe("prepared\n");
  });

  it("refuses options that a template's guest can't have, and agents without a guest of this user", async () => {
    const wrong = Sandbox.create({ template: "box", memoryMib: 256, command: ["sh"] });
    await expect(wrong).rejects.toMatchObject({
      code: "invalid-argument",
      message: expect.stringContaining("memoryMib"),
    });
    await expect(Sandbox.create({ template: "other" })).rejects.toThrow(/template other: no such template/);
    await expect(Sandbox.pool({ template: "box", size: 1, maxMemoryMib: 100 })).rejects.toThrow(/maxMemoryMib 100/);
  });
});
