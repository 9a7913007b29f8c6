import { spawnSync } from "node:child_process";
import { existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Fd } from "../../agent/kernel/kernel.ts";
import { startInit } from "./testing/harness.ts";
import { message, nextReply } from "./testing/raw.ts";
import { startRelayedInit, sys } from "./testing/relayed-init.ts";
import { launch, shell, stdio } from "./testing/run-plan.ts";
import { differingShares, SHARES_SCRIPT, TMPFS_SHARES } from "./testing/tmpfs-shares.ts";
import { describeInit } from "./testing/variants.ts";

/** Type and options of each mount, without sizes. */
const BASE_MOUNTS: Readonly<Record<string, string>> = {
  "/proc": "proc rw,nosuid,nodev,noexec,relatime",
  "/sys": "sysfs rw,nosuid,nodev,noexec,relatime",
  "/dev": "tmpfs rw,nosuid,relatime,mode=755",
  "/dev/pts": "devpts rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=666",
  "/dev/shm": "tmpfs rw,nosuid,nodev,relatime,nr_inodes=4096",
  "/run": "tmpfs rw,nosuid,nodev,relatime,mode=755",
  "/run/guestd": "tmpfs rw,nosuid,nodev,relatime,mode=700",
  "/tmp": "tmpfs rw,nosuid,nodev,relatime,nr_inodes=4096",
  "/sys/fs/cgroup": "cgroup2 rw,nosuid,nodev,noexec,relatime",
};
/**
 * Options that some kernels add, or accept in the first cgroup namespace only, and sizes: whether a kernel prints a size
 * depends on how many pages it has.
 */
const KERNELS_OWN = /^(size=\d+k|inode(32|64)|seclabel|huge=.*|nsdelegate|favordynmods|memory_\w+|pids_\w+)$/;

describeInit("init, from start to power-off,", (binary) => {
  test("restarts an agent that dies, after growing pauses, with one line each time", async () => {
    await using init = startInit({ init: binary, agentCommand: ["/bin/sh", "-c", "echo run; exit 3"] });
    await init.waitForConsole(/next start in 400 ms/);
    const pauses = [...init.console().matchAll(/the agent ended \(exit code 3\); next start in (\d+) ms/g)];
    expect(pauses.map(([, pause]) => pause)).toEqual(["0", "100", "200", "400"]);
    expect(init.console().match(/^run$/gm)).toHaveLength(4);
  });

  test("starts the successor of an agent that ended itself by SIGUSR2 at once, each time", async () => {
    await using init = startInit({ init: binary, agentCommand: ["/bin/sh", "-c", "kill -USR2 $$"] });
    await init.waitForConsole(/the agent ended \(signal 12\); next start in 0 ms/, undefined, 4);
    expect(init.console()).not.toContain("00 ms");
  });

  test("reports an agent that can't be executed, with the reason", async () => {
    await using init = startInit({ init: binary, agentCommand: ["/not/there"] });
    await init.waitForConsole(/guestd-init: cannot execute the agent \/not\/there: No such file or directory\n/);
    await init.waitForConsole(/the agent ended \(exit code 127\); next start in 100 ms/);
  });

  test("gives the agent PATH, MALLOC_ARENA_MAX, GUESTD_INIT_FD and its own GUESTD_ and KATA_AGENT_ variables", async () => {
    const env = { GUESTD_STATE_DIR: "/run/x", OTHER: "1", GUESTD_INIT_FD: "9", KATA_AGENT_TRACING: "1" };
    await using init = startInit({ init: binary, agentCommand: ["/usr/bin/env"], env });
    await init.waitForConsole(/the agent ended/);
    const lines = init
      .console()
      .split("\n")
      .filter((line) => line.includes("="));
    expect(lines.slice(0, 5)).toEqual([
      "PATH=/bin:/sbin:/usr/bin:/usr/sbin",
      "MALLOC_ARENA_MAX=1",
      "GUESTD_INIT_FD=3",
      "GUESTD_STATE_DIR=/run/x",
      "KATA_AGENT_TRACING=1",
    ]);
  });

  test("gives the agent descriptors 0 to 3 only, and no blocked or ignored signals", async () => {
    const script =
      "for fd in /proc/self/fd/*; do basename $fd; done; grep ^Sig /proc/self/status; echo done; exec sleep 60";
    await using init = startInit({ init: binary, agentCommand: ["/bin/sh", "-c", script] });
    await init.waitForConsole(/^done$/m);
    const fds = [...init.console().matchAll(/^(\d+)$/gm)].map(([, fd]) => Number(fd));
    expect(fds.filter((fd) => fd < 4)).toEqual([0, 1, 2, 3]);
    expect(fds.length).toBeLessThanOrEqual(5); // the shell opens one for the directory
    expect(init.console()).toMatch(/^SigBlk:\t0{16}$/m);
    expect(init.console()).toMatch(/^SigIgn:\t0{16}$/m);
  });

  test("mounts the base file systems with exactly their options and sizes", async () => {
    const script = `cat /proc/self/mounts; ${SHARES_SCRIPT}; echo done; exec sleep 60`;
    await using init = startInit({ init: binary, agentCommand: ["/bin/sh", "-c", script] });
    await init.waitForConsole(/^done$/m);
    const text = init.console();
    const found = Object.keys(BASE_MOUNTS).map((point) => {
      // The last mount covers those of this machine.
      const [, type, options = ""] = [...text.matchAll(new RegExp(`^\\S+ ${point} (\\S+) (\\S+)`, "gm"))].at(-1) ?? [];
      const ours = options.split(",").filter((option) => !KERNELS_OWN.test(option));
      return [point, `${type} ${ours.join(",")}`];
    });
    expect(Object.fromEntries(found)).toEqual(BASE_MOUNTS);
    // The kernel's own, for /dev, is a half.
    expect(differingShares(text, { ...TMPFS_SHARES, "/dev": 50 })).toEqual([]);
    expect(text).not.toMatch(/guestd-init: cannot/);
  });

  test("creates the device nodes and links of /dev", async () => {
    const script = `cd /dev; for link in ptmx fd stdin stdout stderr; do echo "$link -> $(readlink $link)"; done
      stat -c '%n %a %t:%T' null zero full random urandom tty; echo hello > null; echo done; exec sleep 60`;
    await using init = startInit({ init: binary, agentCommand: ["/bin/sh", "-c", script] });
    const [text] = await init.waitForConsole(/^[\s\S]*^done$/m);
    expect(text.split(/\r?\n/).slice(-12)).toEqual([
      "ptmx -> pts/ptmx",
      "fd -> /proc/self/fd",
      "stdin -> /proc/self/fd/0",
      "stdout -> /proc/self/fd/1",
      "stderr -> /proc/self/fd/2",
      "null 666 1:3",
      "zero 666 1:5",
      "full 666 1:7",
      "random 666 1:8",
      "urandom 666 1:9",
      "tty 666 5:0",
      "done",
    ]);
  });

  test("sets the host name of /etc/hostname, brings up lo and enters its own cgroup", async () => {
    const script =
      "cat /proc/sys/kernel/hostname /sys/class/net/lo/flags /proc/1/cgroup; : > /tmp/x; echo done; exec sleep 60";
    await using init = startInit({ init: binary, agentCommand: ["/bin/sh", "-c", script] });
    const [text] = await init.waitForConsole(/^[\s\S]*^done$/m);
    const [, name] =
      /^([^ \t\n]*)/.exec(existsSync("/etc/hostname") ? readFileSync("/etc/hostname", "utf8") : "") ?? [];
    expect(text).toMatch(new RegExp(`^${name || "localhost"}\\r?\\n0x9\\r?\\n`, "m")); // IFF_UP, IFF_LOOPBACK
    expect(text).toMatch(/^0::\/guestd$/m);
  });

  test("leaves the machine's /dev and mounts alone", async () => {
    const before = readFileSync("/proc/self/mounts", "utf8");
    await using init = startInit({
      init: binary,
      agentCommand: ["/bin/sh", "-c", ": > /dev/guestd-test; : > /run/guestd-test; echo done; exec sleep 60"],
    });
    await init.waitForConsole(/^done$/m);
    expect(readFileSync("/proc/self/mounts", "utf8")).toBe(before);
    expect([existsSync("/dev/guestd-test"), existsSync("/run/guestd-test")]).toEqual([false, false]);
  });

  test("tells each agent its generation and the start times of init and of the agent", async () => {
    await using init = await startRelayedInit({ init: binary });
    const first = (await init.nextAgent()).greeting;
    const [relay = 0] = await init.running.children();
    process.kill(relay, "SIGKILL");
    const second = (await init.nextAgent()).greeting;
    const now = Number(process.hrtime.bigint() / 1000n);
    expect([first.generation, second.generation]).toEqual([1, 2]);
    expect(second.initStartMicros).toBe(first.initStartMicros);
    expect(first.agentExecMicros).toBeGreaterThan(first.initStartMicros);
    expect(second.agentExecMicros).toBeGreaterThan(first.agentExecMicros);
    expect(second.agentExecMicros).toBeLessThan(now);
  });

  test("kills and restarts an agent that closes its socket", async () => {
    await using init = await startRelayedInit({ init: binary });
    sys.close(await init.nextSocket());
    expect((await init.nextAgent()).greeting.generation).toBe(2);
    expect(init.running.console()).toContain("the agent ended (signal 9)");
  });

  test.each([
    ["had not read init's messages", async () => undefined],
    ["had read them all", async (socket: Fd) => void (await nextReply(socket))],
  ])("carries out an agent's last requests after its end, although it %s", async (_how, read) => {
    await using init = await startRelayedInit({ init: binary });
    const [socket, pid] = [await init.nextSocket(), await init.running.pid()];
    await read(socket);
    process.kill(pid, "SIGSTOP");
    const KEEP = 4;
    const names = Array.from({ length: 50 }, (_, index) => `name-${index}`);
    const fd = openSync("/dev/null", "r");
    for (const name of names) expect(sys.sendMessage(socket, message(KEEP, 0, Buffer.from(name)), [fd])).toBe(true);
    for (const own of [fd, socket]) sys.close(own);
    process.kill(pid, "SIGCONT");
    const { deposits } = (await init.nextAgent()).greeting;
    for (const fd of deposits.values()) sys.close(fd);
    expect([...deposits.keys()]).toEqual(names);
  });

  test("closes the descriptors of an agent's last message even if that message is empty", async () => {
    await using init = await startRelayedInit({ init: binary });
    const [socket, pid] = [await init.nextSocket(), await init.running.pid()];
    await nextReply(socket);
    const open = () => readdirSync(`/proc/${pid}/fd`).length;
    const before = open();
    process.kill(pid, "SIGSTOP");
    const fd = openSync("/dev/null", "r");
    expect(sys.sendMessage(socket, Buffer.alloc(0), [fd, fd, fd])).toBe(true);
    for (const own of [fd, socket]) sys.close(own);
    process.kill(pid, "SIGCONT");
    await init.nextAgent();
    expect(open()).toBe(before);
  });

  test("keeps working while the agent reads nothing, and reports all exits once it reads", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const plans = Array.from({ length: 600 }, () => launch(agent, [stdio, ...shell("exit 1")]));
    const end = Date.now() + 300;
    while (Date.now() < end); // this process is the agent, and now reads nothing
    const launched = await Promise.all(plans);
    expect((await Promise.all(launched.map(({ process }) => process.exit))).every(({ code }) => code === 1)).toBe(true);
    for (const one of launched) await one[Symbol.asyncDispose]();
  });

  test.each(["off", "reboot"] as const)("ends the namespace and everything in it at power %s", async (action) => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const sleeping = await launch(agent, [stdio, ...shell("sleep 60")]);
    agent.power(action);
    const { code, signal } = await init.running.exited;
    // After reboot(2) in a pid namespace, its parent sees SIGINT for power off and SIGHUP for reboot. unshare passes it
    // on.
    expect(signal ?? code).toBe(action === "off" ? "SIGINT" : "SIGHUP");
    expect(() => sys.signal(sleeping.process.pidfd, 0)).toThrow("ESRCH");
    for (const fd of [sleeping.stdin, sleeping.output, sleeping.process.pidfd]) sys.close(fd);
  });

  test("refuses unknown options if it is not process 1", async () => {
    const { status, stderr } = spawnSync(binary, ["--help"], { encoding: "utf8" });
    expect(status).toBe(2);
    expect(stderr).toMatch(/unknown option --help; use --config FILE, --version, or -- /);
  });

  test("leaves no process and no cgroup behind when the harness kills it", async () => {
    const init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const launched = await launch(agent, [stdio, ...shell("sleep 60 & sleep 61 & true")]);
    await launched.process.exit;
    for (const fd of [launched.stdin, launched.output, launched.process.pidfd]) sys.close(fd);
    const { cgroup = "" } = init.running;
    await init[Symbol.asyncDispose]();
    expect(existsSync(cgroup)).toBe(false);
  });
});
