import { spawnSync } from "node:child_process";
import { existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Fd } from "../../agent/kernel/kernel.ts";
import { startInit } from "./harness.ts";
import { message, nextReply } from "./raw.ts";
import { startRelayedInit, sys } from "./relayed-init.ts";
import { launch, shell, stdio } from "./run-plan.ts";
import { describeInit } from "./variants.ts";

describeInit("from start to power-off", (binary) => {
  test("an agent that dies is started again with growing pauses, one line each", async () => {
    await using init = startInit({ init: binary, agentCommand: ["/bin/sh", "-c", "echo run; exit 3"] });
    await init.waitForConsole(/next start in 400 ms/);
    const pauses = [...init.console().matchAll(/the agent ended \(exit code 3\); next start in (\d+) ms/g)];
    expect(pauses.map(([, pause]) => pause)).toEqual(["0", "100", "200", "400"]);
    expect(init.console().match(/^run$/gm)).toHaveLength(4);
  });

  test("an agent that cannot be executed is named with the reason", async () => {
    await using init = startInit({ init: binary, agentCommand: ["/not/there"] });
    await init.waitForConsole(/guestd-init: cannot execute the agent \/not\/there: No such file or directory\n/);
    await init.waitForConsole(/the agent ended \(exit code 127\); next start in 100 ms/);
  });

  test("the agent's environment is PATH, MALLOC_ARENA_MAX, GUESTD_INIT_FD and the ones that init got for it", async () => {
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

  test("the agent has descriptors 0 to 3 and no other, no blocked and no ignored signal", async () => {
    const script =
      "for fd in /proc/self/fd/*; do basename $fd; done; grep ^Sig /proc/self/status; echo done; exec sleep 60";
    await using init = startInit({ init: binary, agentCommand: ["/bin/sh", "-c", script] });
    await init.waitForConsole(/^done$/m);
    const fds = [...init.console().matchAll(/^(\d+)$/gm)].map(([, fd]) => Number(fd));
    expect(fds.filter((fd) => fd < 4)).toEqual([0, 1, 2, 3]);
    expect(fds.length).toBeLessThanOrEqual(5); // the shell's own one, for the directory
    expect(init.console()).toMatch(/^SigBlk:\t0{16}$/m);
    expect(init.console()).toMatch(/^SigIgn:\t0{16}$/m);
  });

  test("the base mounts, the links of /dev, lo, the host name and init's own cgroup are there", async () => {
    const script = `cat /proc/self/mounts; ls -l /dev; echo "lo $(cat /sys/class/net/lo/flags)"; cat /etc/hostname /proc/sys/kernel/hostname
      cat /proc/1/cgroup; stat -c '%n %a' /tmp /dev/shm /run /dev/null; echo hello > /dev/null; : > /tmp/x; echo done; exec sleep 60`;
    await using init = startInit({ init: binary, agentCommand: ["/bin/sh", "-c", script] });
    await init.waitForConsole(/^done$/m);
    const text = init.console();
    for (const expected of [
      "proc /proc proc rw,nosuid,nodev,noexec",
      "sysfs /sys sysfs rw,nosuid,nodev,noexec",
      "devpts /dev/pts devpts rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=666",
      "tmpfs /dev/shm tmpfs rw,nosuid,nodev",
      "tmpfs /run tmpfs rw,nosuid,nodev,relatime,mode=755",
      "tmpfs /run/guestd tmpfs rw,nosuid,nodev,relatime",
      "tmpfs /tmp tmpfs rw,nosuid,nodev",
      "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec",
    ]) {
      const [source, point, type, options = ""] = expected.split(" ");
      // The last mount covers those of this machine; the kernel adds options of its own, such as a tmpfs's size.
      const [, shown = ""] = [...text.matchAll(new RegExp(`^${source} ${point} ${type} (\\S+)`, "gm"))].at(-1) ?? [];
      expect(shown.split(","), point).toEqual(expect.arrayContaining(options.split(",")));
    }
    for (const link of [
      "ptmx -> pts/ptmx",
      "fd -> /proc/self/fd",
      "stdin -> /proc/self/fd/0",
      "stderr -> /proc/self/fd/2",
    ]) {
      expect(text).toContain(link);
    }
    expect(text).toMatch(/^lo 0x9$/m); // IFF_UP, IFF_LOOPBACK
    const name = existsSync("/etc/hostname") ? readFileSync("/etc/hostname", "utf8").trim() : "localhost";
    expect(text).toMatch(new RegExp(`^${name}\\n0?`, "m"));
    expect(text).toMatch(/^0::\/guestd$/m);
    expect(text).toMatch(/^\/tmp 1777\n\/dev\/shm 1777\n\/run 755\n\/dev\/null 666$/m);
    expect(text).not.toMatch(/guestd-init: cannot/);
  });

  test("the host's own /dev and mounts are not touched", async () => {
    const before = readFileSync("/proc/self/mounts", "utf8");
    await using init = startInit({
      init: binary,
      agentCommand: ["/bin/sh", "-c", ": > /dev/guestd-test; : > /run/guestd-test; echo done; exec sleep 60"],
    });
    await init.waitForConsole(/^done$/m);
    expect(readFileSync("/proc/self/mounts", "utf8")).toBe(before);
    expect([existsSync("/dev/guestd-test"), existsSync("/run/guestd-test")]).toEqual([false, false]);
  });

  test("each agent is told its generation and when init and it began", async () => {
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

  test("an agent that closes its socket is ended and started again", async () => {
    await using init = await startRelayedInit({ init: binary });
    sys.close(await init.nextSocket());
    expect((await init.nextAgent()).greeting.generation).toBe(2);
    expect(init.running.console()).toContain("the agent ended (signal 9)");
  });

  test.each([
    ["had not read what init had to say", async () => undefined],
    ["had read all", async (socket: Fd) => void (await nextReply(socket))],
  ])("what an agent asked for is done when it ends, though it %s", async (_how, read) => {
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

  test("descriptors that came with an agent's last words, which were none, are closed", async () => {
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

  test("an agent that does not read holds up nobody: its exits come when it reads", async () => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const plans = Array.from({ length: 600 }, () => launch(agent, [stdio, ...shell("exit 1")]));
    const end = Date.now() + 300;
    while (Date.now() < end); // this process is the agent: it reads nothing for a while
    const launched = await Promise.all(plans);
    expect((await Promise.all(launched.map(({ process }) => process.exit))).every(({ code }) => code === 1)).toBe(true);
    for (const one of launched) await one[Symbol.asyncDispose]();
  });

  test.each(["off", "reboot"] as const)("power %s ends the namespace and everything in it", async (action) => {
    await using init = await startRelayedInit({ init: binary });
    const agent = await init.nextAgent();
    const sleeping = await launch(agent, [stdio, ...shell("sleep 60")]);
    agent.power(action);
    const { code, signal } = await init.running.exited;
    // reboot(2) in a pid namespace: its parent sees SIGINT for power off, SIGHUP for reboot; unshare passes it on.
    expect(signal ?? code).toBe(action === "off" ? "SIGINT" : "SIGHUP");
    expect(() => sys.signal(sleeping.process.pidfd, 0)).toThrow("ESRCH");
    for (const fd of [sleeping.stdin, sleeping.output, sleeping.process.pidfd]) sys.close(fd);
  });

  test("init that is not process 1 refuses options that it does not know", async () => {
    const { status, stderr } = spawnSync(binary, ["--help"], { encoding: "utf8" });
    expect(status).toBe(2);
    expect(stderr).toMatch(/unknown option --help; use --config FILE, --version, or -- /);
  });

  test("killing the harness's init leaves no process and no cgroup", async () => {
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
