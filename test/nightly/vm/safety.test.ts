import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GUEST_SYSCTLS } from "../../../agent/guest/guest-sysctls.ts";
import { guestLog } from "../../../host/engine/guest/guest-log.ts";
import { cachedKernels } from "../../../host/vm/paths.ts";
import { Pod } from "../../scenarios/pod.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";

/** The guest's own ports: API, log, debug console, attachments. */
const PORTS = 4;
/** MemAvailable of 256 MiB, before there is a container. */
const AVAILABLE_MIB = 173;
/** Sysctls that Debian's kernel 6.1 lacks. */
const NEWER = ["dev.tty.legacy_tiocsti"];

describe("a guest that is locked down", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let pod: Pod;
  let available = 0;
  let rootfs: string;
  let id: string;
  beforeAll(async () => {
    machine = await startGuestMachine(256, { kernelArgs: ["agent.lock_modules=on"] });
    available = Number(/(\d+) kB/.exec(await machine.shell("grep MemAvailable /proc/meminfo"))?.[1]) / 1024;
    pod = await Pod.open(machine);
    rootfs = machine.rootfs("safety");
    id = await pod.start(["sleep", "1000"], { Root: { Path: rootfs } });
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });
  const lines = async (command: string) => (await machine.shell(command)).trim().split("\n");

  it("leaves memory free when idle: Node runs from the image, not from memory", () => {
    expect(available).toBeGreaterThan(AVAILABLE_MIB);
  });

  it("has no tracing files in its kernel, which would show processes to each other and take 9 MiB", async () => {
    expect(await machine.shell("ls /sys/kernel/tracing /sys/kernel/debug/tracing 2>&1 | grep -c events")).toBe("0\n");
    expect(await machine.shell("mkdir /tmp/t; mount -t tracefs t /tmp/t; ls /tmp/t; umount /tmp/t")).not.toMatch(
      /^(events|trace)$/m,
    );
  });

  it("starts the agent from its code cache, without a complaint", () => {
    expect(machine.console()).not.toMatch(/launcher: |guestd-init: /);
  });

  it("allows no change to its root", async () => {
    expect(await machine.shell("touch /etc/x /usr/sbin/x /x 2>&1 | grep -c 'Read-only file system'")).toBe("3\n");
    expect(await machine.shell("mount -o remount,rw / 2>&1; grep ' / ' /proc/mounts")).toMatch(/ \/ erofs ro,/);
  });

  it("has /run, /tmp and /dev/shm in memory, each limited to a part, without devices and setuid bits", async () => {
    const total = Number((await lines("grep MemTotal /proc/meminfo"))[0]?.replaceAll(/\D/g, "")) * 1024;
    const most = { "/run": total / 2, "/tmp": total / 4, "/dev/shm": total / 4 };
    for (const [path, bytes] of Object.entries(most)) {
      expect(await machine.shell(`grep ' ${path} ' /proc/mounts`)).toMatch(/ tmpfs rw,nosuid,nodev,/);
      const [blocks, size, inodes] = (await lines(`stat -f -c '%b %s %c' ${path}`))[0]?.split(" ").map(Number) ?? [];
      expect(Number(blocks) * Number(size), path).toBeLessThanOrEqual(bytes + 4096);
      expect(inodes, path).toBeLessThanOrEqual(path === "/run" ? total / 4096 / 2 + 1 : 4096);
    }
    expect(await machine.shell("cat /dev/zero 2>&1 >/tmp/full; rm /tmp/full")).toContain("No space left on device");
  });

  it("has no setuid or setgid file, and no device except those that the agent created", async () => {
    expect(await machine.shell("find / -xdev \\( -perm /6000 -type f -o -type b -o -type c \\)")).toBe("");
  });

  it("listens to nothing on the network, and on vsock only as the agent", async () => {
    const sockets = await lines("cd /proc/net; tail -q -n +2 tcp tcp6 udp udp6 udplite raw raw6 packet 2>/dev/null");
    expect(sockets).toEqual([""]);
    // type 0001 with the flag of a listener
    expect(await machine.shell("grep ' 00010000 ' /proc/net/unix")).toBe("");
    // Sockets that are neither unix nor netlink are vsock: the ports, this shell's connection, and the client's.
    const held = await lines("ls -l /proc/[0-9]*/fd 2>/dev/null | grep -o 'socket:.*' | tr -dc '0-9\\n' | sort -u");
    const others = await lines("awk '{print $7} ' /proc/net/unix; awk '{print $10}' /proc/net/netlink");
    expect(held.filter((inode) => !others.includes(inode))).toHaveLength(PORTS + 2);
  });

  it("has its sysctls set, and logs those that the kernel lacks", async () => {
    const paths = GUEST_SYSCTLS.map(([name]) => `/proc/sys/${name.replaceAll(".", "/")}`);
    const values = await lines(`for i in ${paths.join(" ")}; do [ -e $i ] && cat $i || echo none; done`);
    const wanted = GUEST_SYSCTLS.map(([name, value]) => `${name}=${NEWER.includes(name) ? "none" : value}`);
    expect(GUEST_SYSCTLS.map(([name], at) => `${name}=${values[at]}`)).toEqual(wanted);
    for await (const line of guestLog(machine.guest.address(1025), AbortSignal.timeout(50_000))) {
      const { msg, missing } = JSON.parse(line) as Record<string, unknown>;
      if (msg !== "sysctls that this kernel does not have") continue;
      expect(missing).toEqual(NEWER);
      return;
    }
    expect.fail("no line in the log");
  });

  it("can load no module once there is a sandbox, with agent.lock_modules", async () => {
    expect(await machine.shell("cat /proc/sys/kernel/modules_disabled")).toBe("1\n");
    const module = join(cachedKernels()[0]?.modules ?? "/", "kernel/drivers/net/dummy.ko");
    copyFileSync(module, `${machine.hostPath(rootfs)}/dummy.ko`);
    expect(await machine.shell(`insmod ${rootfs}/dummy.ko 2>&1`)).toContain("Operation not permitted");
  });

  it("protects init and the agent from the OOM killer, and no process that they start", async () => {
    const scores = await lines(
      "for p in /proc/[0-9]*; do [ -e $p/exe ] && echo $(readlink $p/exe) $(cat $p/oom_score_adj); done 2>/dev/null",
    );
    const score = (name: string) =>
      scores.filter((line) => line.split(" ")[0]?.endsWith(`/${name}`)).map((line) => line.split(" ")[1]);
    expect(score("init")).toEqual(["-1000"]);
    expect(score("node")).toEqual(["-997"]);
    expect(score("sleep")).toContain("0"); // the container's
    const exec = await pod.execute(id, ["cat", "/proc/self/oom_score_adj"]);
    expect(exec.stdout.toString()).toBe("0\n");
    expect(new Set(scores.map((line) => line.split(" ")[1]))).toEqual(new Set(["-1000", "-997", "0"]));
  });
});
