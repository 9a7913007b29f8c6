import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { debianFile } from "../../host/engine/image/debian-file.ts";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { StateStore } from "../../host/engine/record/state-store.ts";
import { Sandbox } from "../../host/sdk/index.ts";
import { plugMemory } from "../../host/vm/disk-memory.ts";
import { sharedDisks } from "../../host/vm/disks.ts";
import { findVhostDeviceVsock } from "../../host/vm/programs.ts";
import { Qmp } from "../../host/vm/qmp.ts";
import { readImage } from "../../image/read-image.ts";
import { type LayerEntry, packTar, writeLayout } from "../../image/write-layout.ts";
import { isRoot } from "../../lib/is-root.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";

const launcher = join(import.meta.dirname, "../../host/cli/launch.cjs");
const NOBODY = 65_534;
const LARGE_MIB = 32;

let directory: string;
let image: string;
const run = (...args: string[]) => runGuestctl(directory, args);
const roots = () => readdirSync(join(directory, "guestd/roots")).sort();

beforeAll(async () => {
  directory = makeWorkDirectory("block-root");
  image = join(directory, "busybox.tar");
  await makeBusyboxImage(image);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Writes busybox's image with a second layer. */
async function imageWith(name: string, entries: readonly LayerEntry[]): Promise<string> {
  await using base = await readImage(image);
  const layers = await Promise.all(
    base.layers.map(async (layer) => Buffer.concat(await Array.fromAsync(layer.open()))),
  );
  const path = join(directory, `${name}.tar`);
  const { config, platform } = base;
  await writeLayout(path, { name, platform, config, layers: [...layers, await packTar(entries)] });
  return path;
}

/** Returns the value of security.capability that gives one capability, version 2 (capability.h of the kernel). */
function capabilityValue(number: number): string {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt32LE(0x0200_0001, 0);
  bytes.writeUInt32LE(1 << number, 4);
  return bytes.toString("latin1");
}

describe("a guest whose containers have their roots on disks", () => {
  const inDev = (path: string, script: string, ...flags: string[]) =>
    run("run", "--guest", "dev", ...flags, path, "sh", "-c", script);

  beforeAll(async () => {
    expect((await run("boot", "-d", "--name", "dev")).code).toBe(0);
  });
  afterAll(() => run("stop", "dev"));

  it("shows containers what the image has: owners, modes, links, devices, times and attributes", async () => {
    const cat = await debianFile("busybox-static", "bin/busybox");
    const pax = { "SCHILY.xattr.user.note": "n".repeat(5000), "SCHILY.xattr.security.capability": capabilityValue(1) };
    const target = "t".repeat(4095);
    const full = await imageWith("full", [
      { name: "data/secret", content: "read\n", mode: 0o600 },
      { name: "data/set", content: "", mode: 0o6755, uid: 1000, gid: 100_000 },
      { name: "data/set2", type: "link", linkname: "data/set" },
      { name: "data/null", type: "character-device", mode: 0o666, devmajor: 1, devminor: 3 },
      { name: "data/pipe", type: "fifo", mode: 0o640 },
      { name: "data/long", type: "symlink", linkname: target },
      { name: "data/cat", content: cat, mode: 0o755, pax },
      ...Array.from({ length: 2000 }, (_, at) => ({
        name: `many/${at}-${"n".repeat(60)}`,
        content: `${at}`,
        mode: 0o644,
      })),
    ]);
    const script = [
      "cd /data; stat -c '%n %F %a %u:%g %h %Y' set set2 pipe",
      "stat -c '%F %t,%T' null; readlink long | wc -c; ls /many | wc -l; cat /many/1999-*; echo",
      `sha256sum cat | cut -c1-64`,
    ].join("; ");
    expect((await inDev(full, script)).stdout.split("\n")).toEqual([
      "set regular empty file 6755 1000:100000 2 0",
      "set2 regular empty file 6755 1000:100000 2 0",
      "pipe fifo 640 0:0 1 0",
      "character special file 1,3",
      "4096",
      "2000",
      "1999",
      createHash("sha256").update(cat).digest("hex"),
      "",
    ]);
    // Only cat's file capability CAP_DAC_OVERRIDE, which is behind 5000 bytes of another attribute, reads the secret.
    expect(await inDev(full, "cat /data/secret; /data/cat /data/secret", "-u", "nobody")).toEqual({
      stdout: "read\n",
      stderr: "cat: can't open '/data/secret': Permission denied\n",
      code: 0,
    });
  });

  it("gives containers of one image one disk, and each a writable layer of its own", async () => {
    const script = "echo mine >/etc/mine && rm /bin/ls && echo done && exec sleep 1000";
    expect((await run("run", "-d", "--guest", "dev", "--name", "one", image, "sh", "-c", script)).code).toBe(0);
    await expect.poll(async () => (await run("logs", "one")).stdout).toBe("done\n");
    const look = "ls /etc/mine; cut -d' ' -f1-3 /proc/mounts | head -1; grep -c erofs /proc/mounts";
    expect(await inDev(image, look)).toEqual({
      stdout: "overlay / overlay\n0\n",
      stderr: "ls: /etc/mine: No such file or directory\n",
      code: 1,
    });
    expect((await run("stop", "one")).code).toBe(0);
    expect((await run("rm", "one")).code).toBe(0);
  });

  it("gets a new image's disk once, however many guestctl commands make it at the same time", async () => {
    const before = roots();
    const fresh = await imageWith("fresh", [{ name: "fresh", content: "fresh\n", mode: 0o644 }]);
    const ended = await Promise.all(["c1", "c2", "c3"].map((name) => inDev(fresh, "cat /fresh", "--name", name)));
    expect(ended).toEqual(ended.map(() => ({ stdout: "fresh\n", stderr: "", code: 0 })));
    expect(roots().filter((id) => !before.includes(id))).toHaveLength(1);
  });

  it("bounds what a container writes, with an error of the file system, whatever its memory", async () => {
    const script = "dd if=/dev/zero of=/big bs=1M count=128 2>&1 | grep -o 'No space.*'; rm /big; echo on";
    expect(await inDev(image, script, "--memory", "32m", "--storage-opt", "size=96m")).toEqual({
      stdout: "No space left on device\non\n",
      stderr: "",
      code: 0,
    });
    expect(readdirSync(join(directory, "guestd/layers"))).toEqual([]);
  });

  it("finds a container's files again after start, and unplugs its disk when it is removed", async () => {
    const script = "cat /kept 2>/dev/null || echo new | tee /kept; exec sleep 1000";
    const logs = async () => (await run("logs", "again")).stdout;
    const flags = ["-d", "--guest", "dev", "--name", "again"];
    expect((await run("run", ...flags, image, "sh", "-c", script)).code).toBe(0);
    await expect.poll(logs).toBe("new\n");
    await run("stop", "again");
    expect((await run("start", "--guest", "dev", "again")).code).toBe(0);
    await expect.poll(logs).toBe("new\nnew\n");
    expect((await run("rm", "again")).code).toBe(0);
    expect(readdirSync(join(directory, "guestd/layers"))).toEqual([]);
    const disks = "ls -d /sys/block/vd* | wc -l";
    const before = (await inDev(image, disks)).stdout;
    expect((await inDev(image, disks)).stdout).toBe(before);
  });

  it("finds users in the container, copies, logs and inspects as with a share", async () => {
    const script = "echo joe:x:1234:1235::/:/bin/sh >>/etc/passwd; echo up; exec sleep 1000";
    expect(
      (await run("run", "-d", "--guest", "dev", "--name", "users", "-w", "/tmp", image, "sh", "-c", script)).code,
    ).toBe(0);
    await expect.poll(async () => (await run("logs", "users")).stdout).toBe("up\n");
    expect((await run("exec", "-u", "joe", "users", "id", "-u")).stdout).toBe("1234\n");
    expect((await run("exec", "-u", "nosuch", "users", "id")).stderr).toBe(
      'guestctl: user "nosuch": nosuch is not in the image\'s /etc/passwd\n',
    );
    expect((await run("exec", "users", "pwd")).stdout).toBe("/tmp\n");
    expect((await run("cp", launcher, "users:/tmp/copy")).code).toBe(0);
    expect((await run("cp", "users:/etc/passwd", join(directory, "passwd"))).code).toBe(0);
    expect((await run("exec", "users", "wc", "-l", "/etc/passwd")).stdout).toBe("3 /etc/passwd\n");
    expect((await run("debug", "users", "--image", image, "--", "ls", "/target/tmp")).stdout).toBe("copy\n");
    expect((await run("agent", "kill", "--guest", "dev")).code).toBe(0);
    expect((await run("exec", "users", "cat", "/etc/hostname")).stdout).toBe("dev\n");
    expect(JSON.parse((await run("inspect", "users")).stdout)).toMatchObject([{ state: { status: "running" } }]);
    for (const trap of ["head -c 3000000 /dev/zero >>/etc/passwd", "rm /etc/passwd; mkfifo /etc/passwd"]) {
      expect((await run("exec", "users", "sh", "-c", trap)).code).toBe(0);
      expect((await run("exec", "-u", "joe", "users", "id")).stderr).toMatch(
        /^guestctl: user "joe": joe is not in .*\n$/,
      );
    }
    expect((await run("stop", "users")).code).toBe(0);
    expect((await run("rm", "users")).code).toBe(0);
    expect((await inDev(image, "ls /tmp")).stdout).toBe("");
  });

  it("refuses volumes and the other kind of root in one line", async () => {
    const line = (text: string) => ({ stdout: "", stderr: `guestctl: ${text}\n`, code: 125 });
    expect(await run("run", "--guest", "dev", "--name", "vol", "-v", `${directory}:/mnt`, image)).toEqual(
      line(
        "container vol: -v needs a shared folder, and guest dev has none; boot one with --rootfs share, or copy with guestctl cp",
      ),
    );
    expect(await run("run", "--guest", "dev", "--rootfs", "share", image)).toEqual(
      line("guest dev: it has --rootfs block, not share; leave it out, or boot a guest with --rootfs share"),
    );
  });

  it("has room for many images", async () => {
    for (let at = 0; at < 9; at++) {
      const many = await imageWith(`many-${at}`, [{ name: `f${at}`, content: "", mode: 0o644 }]);
      expect(await inDev(many, `ls /f${at}`)).toEqual({ stdout: `/f${at}\n`, stderr: "", code: 0 });
    }
    expect((await inDev(image, "echo still")).stdout).toBe("still\n");
  });

  it("keeps no pages of an image in the guest's cache", async () => {
    const content = randomBytes(LARGE_MIB << 20);
    const large = await imageWith("large", [{ name: "large", content, mode: 0o644 }]);
    const cached = "grep ^Cached: /proc/meminfo | grep -o '[0-9]*'";
    const { stdout } = await inDev(large, `${cached}; md5sum /large | cut -d' ' -f1; ${cached}`);
    const [before, digest, after] = stdout.split("\n");
    expect(digest).toBe(createHash("md5").update(content).digest("hex"));
    expect((Number(after) - Number(before)) / 1024).toBeLessThan(LARGE_MIB / 4);
  });

  it("gets further images on virtio-blk once it has no room for more persistent memory", async () => {
    const { control } =
      new StateStore(join(directory, `guestd-${process.geteuid?.()}`)).guest("dev") ?? expect.fail("not there");
    const file = join(directory, "filler");
    writeFileSync(file, "");
    truncateSync(file, 2 << 20);
    {
      await using qmp = await Qmp.connect(control ?? "");
      for (let at = 0; (await plugMemory(qmp, { file, serial: `filler${at}` })) !== undefined; at++);
    }
    const further = await imageWith("further", [{ name: "further", content: "", mode: 0o644 }]);
    expect(await inDev(further, "ls /further")).toEqual({ stdout: "/further\n", stderr: "", code: 0 });
    await using qmp = await Qmp.connect(control ?? "");
    expect((await sharedDisks(qmp)).filter((disk) => "unit" in disk)).toMatchObject([{ unit: 0 }]);
  });
});

it("a container with volumes has its root on a disk too, and so have others of its guest", async () => {
  const folder = join(directory, "volume");
  mkdirSync(folder, { mode: 0o700 });
  const look = "cut -d' ' -f1-3 /proc/mounts | grep -E ' (/|/v) '";
  const looked = "overlay / overlay\nkataShared /v virtiofs\n";
  const script = `echo new >>/kept; chown 5:6 /kept; cat /kept | tee -a /v/out; ${look}; exec sleep 1000`;
  const logs = async () => (await run("logs", "both")).stdout;
  try {
    const flags = ["-d", "--name", "both", "-v", `${folder}:/v`];
    expect(await run("run", ...flags, image, "sh", "-c", script)).toMatchObject({ stderr: "", code: 0 });
    await expect.poll(logs, { timeout: 50_000 }).toBe(`new\n${looked}`);
    const beside = await run("run", "--guest", "both", "-v", `${folder}:/v:ro`, image, "sh", "-c", `${look}; >/v/no`);
    expect(beside).toMatchObject({ stdout: looked, stderr: expect.stringContaining("Read-only file system") });
    expect((await run("snapshot", "both", "never")).stderr).toMatch(/^guestctl: save guest both: .* without -v .*\n$/);
    expect((await run("stop", "both")).code).toBe(0);
    expect((await run("start", "both")).code).toBe(0);
    await expect.poll(logs, { timeout: 50_000 }).toBe(`new\n${looked}new\nnew\n${looked}`);
    expect(readdirSync(folder)).toEqual(["out"]);
    expect((await run("rm", "both")).code).toBe(0);
    expect(readdirSync(join(directory, "guestd/layers"))).toEqual([]);
  } finally {
    await run("stop", "both");
  }
});

it("what a container writes is bounded by a disk of its own, there again after a kill and start, and gone with it", async () => {
  const layers = () => readdirSync(join(directory, "guestd/layers"));
  const logs = async () => (await run("logs", "web")).stdout.trim().split("\n");
  try {
    const lines = [
      "cat /kept 2>/dev/null || echo new",
      "dd if=/dev/zero of=/big bs=1M count=32 2>&1 | grep -o 'No space.*'",
      "rm /big",
      "echo kept >/kept && chown 5:6 /kept && stat -c %u:%g /kept",
      "sync",
      "echo done",
      "exec sleep 1000",
    ];
    const flags = ["-d", "--name", "web", "--storage-opt", "size=16m"];
    expect(await run("run", ...flags, image, "sh", "-c", lines.join("; "))).toEqual({
      stdout: "web\n",
      stderr: "",
      code: 0,
    });
    const first = ["new", "No space left on device", "5:6", "done"];
    await expect.poll(logs, { timeout: 50_000 }).toEqual(first);
    const [layer = ""] = layers();
    const disk = join(directory, "guestd/layers", layer, "disk");
    expect(statSync(disk)).toMatchObject({ size: 2 ** 24, nlink: 1 });
    const store = new StateStore(join(directory, `guestd-${process.geteuid?.()}`));
    const [{ monitor } = {}] = store.guests();
    const { keeper } = store.processes.list("web")[0] ?? {};
    for (const killed of [keeper, monitor]) process.kill(killed?.pid ?? 0, "SIGKILL");
    expect(await run("start", "web")).toEqual({ stdout: "web\n", stderr: "", code: 0 });
    await expect.poll(logs, { timeout: 50_000 }).toEqual([...first, "kept", ...first.slice(1)]);
    expect(layers()).toEqual([layer]);
    expect(await run("rm", "--time", "120", "web")).toEqual({ stdout: "web\n", stderr: "", code: 0 });
    expect(layers()).toEqual([]);
  } finally {
    await run("stop", "web");
  }
});

describe("the SDK", () => {
  afterAll(() => void vi.unstubAllEnvs());

  it("creates a sandbox with its root on a disk, and without a share unless it has volumes", async () => {
    vi.stubEnv("XDG_RUNTIME_DIR", directory);
    vi.stubEnv("XDG_CACHE_HOME", directory);
    const look = "grep -o '^overlay / overlay' /proc/mounts; grep -c virtiofs /proc/mounts";
    {
      await using sandbox = await Sandbox.create({ image, files: { "/data/file": "content\n" } });
      expect((await sandbox.exec(`cat /data/file; ${look}`)).stdout).toBe("content\noverlay / overlay\n0\n");
      await sandbox.exec("echo joe:x:1234:1235::/:/bin/sh >>/etc/passwd");
      expect((await sandbox.exec("id -u; cat", { user: "joe", stdin: "in\n" })).stdout).toBe("1234\nin\n");
      await expect(sandbox.exec("id", { user: "nosuch" })).rejects.toThrow(/nosuch is not in the image's/);
    }
    const volumes = [{ host: directory, guest: "/mnt", readOnly: true }];
    await using sandbox = await Sandbox.create({ image, volumes });
    expect((await sandbox.exec(`${look}; ls /mnt/busybox.tar`)).stdout).toBe(
      "overlay / overlay\n1\n/mnt/busybox.tar\n",
    );
  });
});

const skipped = isRoot() ? "" : " (needs root)";

it.skipIf(!isRoot())(`an ordinary user's container has the image's owners${skipped}`, async () => {
  const home = join(directory, "of-nobody");
  mkdirSync(join(home, "bin"), { recursive: true });
  copyFileSync(findVhostDeviceVsock(), join(home, "bin/vhost-device-vsock"));
  const owned = await imageWith("owned", [{ name: "mine", content: "x", mode: 0o640, uid: 1000, gid: 2000 }]);
  copyFileSync(owned, join(home, "owned.tar"));
  chownSync(home, NOBODY, NOBODY);
  chmodSync(directory, 0o711);
  const words = [
    "setpriv",
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    "--clear-groups",
    "--",
    process.execPath,
    launcher,
  ];
  const [program = "", ...args] = [...words, "run", join(home, "owned.tar"), "sh", "-c"];
  const env = {
    ...{ HOME: home, TMPDIR: "/tmp", XDG_RUNTIME_DIR: home, XDG_CACHE_HOME: home, NO_COLOR: "1" },
    PATH: `${home}/bin:${process.env["PATH"]}`,
  };
  const script = "stat -c '%a %u:%g' /mine; chown 5:6 /mine; stat -c '%u:%g' /mine";
  const { stdout } = await promisify(execFile)(program, [...args, script], { env, cwd: home });
  expect(stdout).toBe("640 1000:2000\n5:6\n");
});
