import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { blockRootOf } from "../../host/engine/image/disk/block-root.ts";
import { BlockStore } from "../../host/engine/image/disk/block-store.ts";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { readImage } from "../../image/read-image.ts";
import { startRegistry } from "../../image/registry/testing/registry.ts";

const launcher = join(import.meta.dirname, "../../host/cli/launch.cjs");
const guestctl = join(import.meta.dirname, "../../host/cli/guestctl.ts");
/** Each poll runs a process. */
const POLL = { interval: 200 };
let directory: string;
let image: string;

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

function start(...args: string[]): ChildProcess {
  const env = { ...process.env, XDG_RUNTIME_DIR: directory, XDG_CACHE_HOME: directory, NO_COLOR: "1" };
  return spawn(process.execPath, [launcher, ...args], { env, stdio: "pipe" });
}

async function end(child: ChildProcess): Promise<Ended> {
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error("no pipes");
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [out, error] = await Promise.all([text(stdout), text(stderr)]);
  return { stdout: out, stderr: error, code: await code };
}

function run(args: readonly string[], input?: string): Promise<Ended> {
  const child = start(...args);
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  return end(child);
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "guestctl-"));
  image = join(directory, "busybox.tar");
  await makeBusyboxImage(image);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it("guestctl run runs a container in its own guest, under the default filter, and leaves nothing behind", async () => {
  const script = "id -un; pwd; echo $NAME; grep ^Seccomp: /proc/self/status; cat; echo oops >&2; exit 42";
  const line = ["run", "-i", "-e", "NAME=value", "-w", "/tmp", "-u", "nobody", "--memory", "64m", image];
  const ended = await run([...line, "sh", "-c", script], "from stdin\n");
  expect(ended).toEqual({ stdout: "nobody\n/tmp\nvalue\nSeccomp:\t2\nfrom stdin\n", stderr: "oops\n", code: 42 });
  const records = join(directory, `guestd-${process.getuid?.() ?? 0}`);
  expect(readdirSync(records, { recursive: true }).toSorted()).toEqual([".boots", ".staging"]);
});

it("guestctl explains in one line why a container could not be run", async () => {
  const missing = await run(["run", join(directory, "none.tar")]);
  expect(missing.stderr).toMatch(/^guestctl: image .*none\.tar: no such file or folder\n$/);
  expect(missing.code).toBe(125);
  const typed = await run(["run", "-it", image]);
  expect(typed).toEqual({ stdout: "", stderr: "guestctl: the input device is not a TTY; leave out -t\n", code: 125 });
  const out = await run(["cp", "/etc/passwd", "/tmp/"]);
  expect(out.stderr).toMatch(/^guestctl: cp \/etc\/passwd \/tmp\/: exactly one side must be CONTAINER:PATH, or .*\n$/);
});

it("guestctl prints its version", async () => {
  expect(await run(["--version"])).toMatchObject({
    stdout: expect.stringMatching(/^guestctl \d+\.\d+\.\d+\n$/),
    code: 0,
  });
});

it("guestctl gives a container its image on a disk, which it can't change, and a disk to write of bounded size; and keeps its output and its guest's console and log when QEMU dies", async () => {
  const store = new BlockStore(join(directory, "guestd/roots"));
  using made = await blockRootOf({ path: image }, { user: "test", store });
  const digest = () => createHash("sha256").update(readFileSync(made.root.file)).digest("hex");
  const before = digest();
  const lines = ["rm /bin/ls", "echo mine >/etc/mine", "cat /etc/mine", "cut -d' ' -f1-3 /proc/mounts | head -1"];
  lines.push("dd if=/dev/zero of=/big bs=1M count=32 2>&1 | grep -o 'No space.*'", "echo up", "sleep 1000");
  const line = ["run", "-d", "--name", "dying", "--storage-opt", "size=16m", image, "sh", "-c", lines.join("; ")];
  expect((await run(line)).stdout).toBe("dying\n");
  const printed = "mine\noverlay / overlay\nNo space left on device\nup\n";
  await expect.poll(async () => (await run(["logs", "dying"])).stdout, POLL).toBe(printed);
  expect([digest(), store.list()]).toEqual([before, [made.root]]);
  const following = run(["logs", "-f", "dying"]);
  const waiting = run(["wait", "dying"]);
  const [{ control }] = JSON.parse((await run(["inspect", "--type", "guest", "dying"])).stdout);
  const qemu = Number(readFileSync(join(dirname(control), "qemu.pid"), "utf8"));
  // Its log is read over vsock, shortly after the boot.
  const log = join(directory, `guestd-${process.getuid?.() ?? 0}`, "dying", "agent.log");
  await expect.poll(() => existsSync(log) && readFileSync(log, "utf8"), POLL).toContain("listening");
  process.kill(qemu, "SIGKILL");
  expect(await waiting).toEqual({ stdout: "255\n", stderr: "", code: 0 });
  expect(await following).toMatchObject({ stdout: expect.stringMatching(/^up\n/m), code: 0 });
  expect((await run(["ps", "-a"])).stdout).toMatch(/^dying +dying +init +exited \(255\) /m);
  expect((await run(["logs", "dying"])).stdout).toMatch(/^up\nguestctl: guest: QEMU ended with SIGKILL/m);
  expect((await run(["logs", "-g", "dying"])).stdout).toMatch(/INFO listening /);
  expect((await run(["logs", "-g", "dying", "--console"])).stdout).toContain("guestd: listening");
  expect(await run(["rm", "dying"])).toEqual({ stdout: "dying\n", stderr: "", code: 0 });
  expect(readdirSync(join(directory, "guestd/layers"))).toEqual([]);
  const left = readdirSync(join(directory, `guestd-${process.getuid?.() ?? 0}`));
  expect(left.filter((name) => !name.startsWith("."))).toEqual([]);
});

/** Most of what guestctl does with containers runs in namespaces, and nightly in a guest (guestctl-containers.ts). */
describe("guestctl with a long-running guest that shares a folder", () => {
  beforeAll(async () => {
    const words = ["--rootfs", "share", "--agent", "log=debug", "--kernel-args", "guestd.test=word"];
    const booted = await run(["boot", "--detach", "--name", "kept", ...words]);
    expect(booted.stderr).toBe("");
    expect(booted.stdout).toMatch(/^kept {2}h?vsock:.*\nQEMU 0 → kernel [\d.]+ → init .* → first answer [\d.]+ s\n$/);
    expect((await run(["run", "-d", "-g", "kept", "--name", "web", image, "sleep", "1000"])).stdout).toBe("web\n");
  });
  afterAll(async () => {
    await run(["stop", "kept"]);
  });

  it("runs an image by its name, which is pulled once and not removed while its container runs", async () => {
    await using registry = await startRegistry();
    {
      await using busybox = await readImage(image);
      const layers = busybox.layers.map(async (layer) => Buffer.concat(await Array.fromAsync(layer.open())));
      registry.putImage(await Promise.all(layers), "1");
    }
    const name = `${registry.host}/test/image:1`;
    expect((await run(["run", "-d", "-g", "kept", "--name", "named", name, "sleep", "1000"])).stdout).toBe("named\n");
    expect(JSON.parse((await run(["images", "--json"])).stdout)).toMatchObject([
      { names: [name], containers: ["named"] },
    ]);
    const refused = `guestctl: image ${name}: container named uses it; guestctl rm named first, or add --force\n`;
    expect(await run(["rmi", name])).toEqual({ stdout: "", stderr: refused, code: 1 });
    await registry[Symbol.asyncDispose]();
    expect(await run(["run", "-g", "kept", name, "echo", "again"])).toEqual({ stdout: "again\n", stderr: "", code: 0 });
    expect((await run(["rm", "named"])).code).toBe(0);
    expect(await run(["rmi", name])).toEqual({ stdout: `${name}\n`, stderr: "", code: 0 });
  });

  it("runs commands in a container and returns their exit codes", async () => {
    expect(await run(["exec", "web", "sh", "-c", "hostname; exit 5"])).toMatchObject({ stdout: "kept\n", code: 5 });
    expect(await run(["exec", "web", "sh", "-c", "kill -9 $$"])).toMatchObject({ code: 137 });
    const { stderr, code } = await run(["exec", "web", "nope"]);
    expect(stderr).toMatch(/^guestctl: .*"nope": executable file not found in \$PATH.*\n$/);
    expect(code).toBe(127);
    expect(await run(["exec", "web", "/etc/passwd"])).toMatchObject({ code: 126 });
    expect(await run(["run", "-g", "kept", image, "nope"])).toMatchObject({ code: 127 });
  });

  it("gives an exec a terminal of the usual size if it has none itself", async () => {
    const { stdout } = await run(["exec", "-t", "web", "sh", "-c", "stty size; tty"]);
    expect(stdout).toBe("24 80\r\n/dev/pts/0\r\n");
  });

  it("mounts folders of the host, read-only if requested, and removes nothing in them", async () => {
    const folder = join(directory, "shared");
    mkdirSync(folder);
    writeFileSync(join(folder, "in"), "from the host\n");
    const both = ["-v", `${folder}:/rw`, "-v", `${folder}:/ro:ro`];
    const script = "cat /ro/in; echo back > /rw/out; echo no > /ro/no; mount -o remount,rw /ro";
    const { stdout, stderr } = await run(["run", "-g", "kept", ...both, image, "sh", "-c", script]);
    expect(stdout).toBe("from the host\n");
    expect(stderr).toMatch(/can't create \/ro\/no: Read-only file system/);
    expect(readFileSync(join(folder, "out"), "utf8")).toBe("back\n");
    expect(readdirSync(folder).sort()).toEqual(["in", "out"]);
  });

  it("gives a privileged container all that root may do in the guest", async () => {
    const script = "grep CapBnd /proc/self/status; grep -E '^[a-z0-9]+ /(proc|sys)' /proc/self/mounts";
    const shown = async (...options: string[]) =>
      (await run(["run", "-g", "kept", ...options, image, "sh", "-c", script])).stdout;
    expect(await shown("--privileged")).toMatch(/^CapBnd:\t000001ffffffffff\n(\S+ \S+ \S+ rw,.*\n)+$/);
    expect(await shown()).toMatch(/^CapBnd:\t00000000a80425fb\n[\s\S]* ro,/);
  });

  it("pauses, updates and resumes containers", async () => {
    expect(await run(["pause", "web"])).toEqual({ stdout: "web\n", stderr: "", code: 0 });
    expect((await run(["ps"])).stdout).toMatch(/^kept +web +init +paused /m);
    expect(await run(["unpause", "web"])).toMatchObject({ stderr: "", code: 0 });
    expect(await run(["update", "--memory", "100m", "--pids", "9", "web"])).toMatchObject({ stderr: "", code: 0 });
    const { stdout } = await run(["stats", "web"]);
    expect(stdout).toMatch(/^memory .*limit 100 MiB/m);
    expect(stdout).toMatch(/^tasks .*limit 9$/m);
  });

  it("passes words to kernel and agent, and kills the agent as a trial", async () => {
    const { stdout } = await run(["exec", "web", "cat", "/proc/cmdline"]);
    expect(stdout).toMatch(/ guestd\.test=word agent\.log=debug /);
    const killed = await run(["agent", "kill"]);
    expect(killed.stdout).toMatch(/^agent 1 was killed, agent 2 answers after [\d.]+ s\n$/);
    expect(await run(["exec", "web", "echo", "still here"])).toMatchObject({ stdout: "still here\n", code: 0 });
  });

  it("ends a container when its own output is closed", async () => {
    const child = start("run", "-g", "kept", image, "yes");
    child.stdout?.once("data", () => child.stdout?.destroy());
    expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(137);
  });

  it("shows running containers and their usage", async () => {
    expect((await run(["ps"])).stdout).toMatch(/^kept +web +init +running +1 .* sleep 1000$/m);
    expect((await run(["ps", "-q"])).stdout).toBe("web\n");
    expect(JSON.parse((await run(["ps", "--json"])).stdout)).toMatchObject([
      { guest: "kept", container: "web", process: "init", state: "running", tasks: 1, command: ["sleep", "1000"] },
    ]);
    expect((await run(["stats"])).stdout).toMatch(/^kept +web +[\d.]+ % +[\d.]+ s +[\d.]+ MiB /m);
    const watch = start("stats", "--watch");
    watch.stdout?.on("data", (text) => / web +[\d.]+ % /.test(String(text)) && watch.kill("SIGINT"));
    expect(await end(watch)).toMatchObject({ code: 0 });
    expect((await run(["metrics", "--grep", "^guestd_agent_restarts"])).stdout).toBe("guestd_agent_restarts 1\n");
    expect((await run(["logs"])).stdout).toMatch(/INFO listening /);
    expect((await run(["logs", "--console"])).stdout).toContain("guestd: listening");
  });

  it("copies files into a container and out of it", async () => {
    expect(await run(["cp", guestctl, import.meta.dirname, "web:/tmp/"])).toEqual({ stdout: "", stderr: "", code: 0 });
    expect(await run(["cp", guestctl, "web:/tmp/renamed"])).toMatchObject({ stderr: "", code: 0 });
    const { stdout } = await run(["exec", "web", "ls", "/tmp", "/tmp/vm/guestctl.test.ts"]);
    expect(stdout).toBe("/tmp/vm/guestctl.test.ts\n\n/tmp:\nguestctl.ts\nrenamed\nvm\n");
    const copied = join(directory, "copied");
    expect(await run(["cp", "web:/tmp/vm", copied])).toEqual({ stdout: "", stderr: "", code: 0 });
    expect(readdirSync(copied)).toEqual(readdirSync(import.meta.dirname));
    const { stderr, code } = await run(["cp", "/dev/null", "web:/tmp/"]);
    expect([stderr, code]).toEqual([
      'guestctl: "null": only files, directories and links are copied, not devices\n',
      1,
    ]);
  });

  it("tells clients of a lost guest that it was powered off, and leaves nothing behind", async () => {
    const shell = run(["exec", "web", "sleep", "1000"]);
    const container = start("run", "-g", "kept", image, "sh", "-c", "echo up; sleep 1000");
    const running = end(container);
    await new Promise((resolve) => container.stdout?.once("data", resolve));
    await expect.poll(async () => (await run(["ps"])).stdout, POLL).toMatch(/^kept +web +x-.* sleep 1000$/m);
    expect(await run(["stop"])).toEqual({ stdout: "kept\n", stderr: "", code: 0 });
    const stderr = expect.stringMatching(/^(guestctl: guest kept: the guest was powered off\n)?$/);
    for (const ended of [shell, running]) expect(await ended).toMatchObject({ stderr, code: 137 });
    expect((await run(["ps", "-a"])).stdout.split("\n")).toHaveLength(2);
  });
});
