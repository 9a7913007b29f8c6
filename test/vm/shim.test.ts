import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dial } from "../../host/client/dial.ts";
import { isRoot } from "../../lib/is-root.ts";
import { namesIn } from "../../lib/names-in.ts";
import { isAlive, startedAt } from "../../lib/process-owner.ts";
import { buildDebugImage } from "./testing/guest-machine.ts";
import { ownContainerd } from "./testing/own-containerd.ts";
import { PodLink } from "./testing/pod-link.ts";

const POLL = { interval: 100, timeout: 60_000 };

describe.skipIf(!isRoot())("containerd, which only root can run, with guestd's shim", () => {
  const containerd = ownContainerd("shim-");
  const { ctr, run, events, record, directory } = containerd;

  /** Everything that a pod has on the host. */
  const placesOf = (name: string) => {
    const { folder, socket } = record(name);
    return [folder, socket];
  };
  const isListed = async (name: string) => (await ctr("task", "ls")).stdout.includes(name);
  const statusOf = async (name: string) =>
    new RegExp(`${name} +[0-9]+ +([A-Z]+)`).exec((await ctr("task", "ls")).stdout)?.[1];
  const pidOf = async (name: string) =>
    Number(new RegExp(`${name} +([0-9]+)`).exec((await ctr("task", "ls")).stdout)?.[1]);

  it("runs a container in a guest: its output, its exit code, and nothing is left", async () => {
    const script = "echo out; echo err >&2; uname -r; exit 3";
    const { code, stdout, stderr } = await run(["--rm"], "short", "sh", "-c", script);
    expect([code, stderr]).toEqual([3, "err\n"]);
    expect(stdout).toMatch(/^out\n\S+\n$/);
    await expect.poll(() => events("short")).toEqual(["create", "start", "exit", "delete"]);
    expect(namesIn(join(directory, "state/io.containerd.runtime.v2.task/default"))).toEqual([]);
  });

  it("execs, pauses, counts, signals and removes; containerd may be restarted meanwhile", async () => {
    const script = "trap 'echo bye; exit 7' TERM; while :; do sleep 0.1; done";
    expect(await run(["-d"], "long", "sh", "-c", script)).toMatchObject({ code: 0 });
    const places = placesOf("long");
    const exec = (id: string, ...args: string[]) => ctr("task", "exec", "--exec-id", id, "long", ...args);
    expect(await exec("e1", "sh", "-c", "echo out; echo err >&2; exit 5")).toMatchObject({
      code: 5,
      stdout: "out\n",
      stderr: "err\n",
    });
    expect(await exec("e2", "/none")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^ctr: exec "\/none": [^\n]+\n$/),
    });
    const terminal = await containerd.ctrOnTerminal("task exec -t --exec-id e3 long tty");
    expect([terminal.code, terminal.stdout]).toEqual([0, expect.stringContaining("/dev/pts/0")]);

    await ctr("task", "pause", "long");
    expect(await statusOf("long")).toBe("PAUSED");
    await ctr("task", "resume", "long");
    expect(await statusOf("long")).toBe("RUNNING");
    const metrics = (await ctr("task", "metrics", "long")).stdout;
    expect(Number(/memory\.usage +(\d+)/.exec(metrics)?.[1])).toBeGreaterThan(0);
    expect((await ctr("task", "ps", "long")).stdout).toContain(String(await pidOf("long")));
    expect(await ctr("task", "kill", "--exec-id", "e9", "long")).toMatchObject({ code: 1 });
    // Docker takes the exit of a process with the first one's pid for the end of the container.
    const pids = containerd.pidsOf("long");
    expect(new Set(pids).size).toBe(3);
    expect(pids[0]).toBe(await pidOf("long"));

    await containerd.endDaemon();
    await containerd.startDaemon();
    expect(await exec("e4", "echo", "still here")).toEqual({ code: 0, stdout: "still here\n", stderr: "" });

    expect(await ctr("task", "rm", "long")).toMatchObject({ code: 1 });
    await ctr("task", "kill", "long");
    await expect.poll(() => statusOf("long"), POLL).toBe("STOPPED");
    expect((await ctr("task", "kill", "long")).stderr).toContain("process already finished");
    expect(await ctr("task", "rm", "long")).toMatchObject({ stderr: expect.stringContaining("exit code 7") });
    await ctr("container", "rm", "long");
    expect(places.filter(existsSync)).toEqual([]);
    await expect
      .poll(() => events("long"))
      .toEqual([
        ...[
          "create",
          "start",
          "exec-added",
          "exec-started",
          "exit",
          "exec-added",
          "exec-added",
          "exec-started",
          "exit",
        ],
        ...["paused", "resumed", "exec-added", "exec-started", "exit", "exit", "delete"],
      ]);
  });

  it("a pod's containers share its guest, which lives as long as the first", async () => {
    const pod = ["--annotation", "io.kubernetes.cri.sandbox-id=pod"];
    const inPod = [...pod, "--annotation", "io.kubernetes.cri.container-type=container"];
    expect(await run([...inPod, "-d"], "early", "true")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("doesn't run"),
    });
    expect(await run(["-d", ...pod], "pod", "sleep", "1000")).toMatchObject({ code: 0 });
    const { stdout, code } = await run(["--rm", ...inPod], "member", "sh", "-c", "cat /proc/sys/kernel/random/boot_id");
    const { stdout: other } = await ctr(
      "task",
      "exec",
      "--exec-id",
      "e",
      "pod",
      "cat",
      "/proc/sys/kernel/random/boot_id",
    );
    expect([code, stdout]).toEqual([0, other]);
    expect(await statusOf("pod")).toBe("RUNNING");
    await ctr("task", "kill", "--signal", "KILL", "pod");
    await expect.poll(() => statusOf("pod"), POLL).toBe("STOPPED");
    await ctr("task", "rm", "pod");
    for (const name of ["early", "pod"]) await ctr("container", "rm", name);
  });

  it("gives the guest its pod's network, whichever plug-in made it, and takes it back", async () => {
    await using link = await PodLink.make(`shim${process.pid}`);
    const devices = () => link.inPod("ip", "-brief", "link");
    const before = await devices();
    const [mac = ""] = /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?= <BROADCAST)/.exec(before) ?? [];
    const inLink = ["-d", "--with-ns", `network:${link.path}`];
    const server = "mkdir /www; echo hello >/www/index.html; exec httpd -f -h /www";
    expect(await run(inLink, "server", "sh", "-c", server)).toMatchObject({ code: 0 });
    const exec = async (id: string, line: string) =>
      (await ctr("task", "exec", "--exec-id", id, "server", "sh", "-c", line)).stdout;
    const address = await exec("e1", "ip address show eth0");
    expect(address).toMatch(new RegExp(`mtu 1400[^]*${mac}[^]*10\\.44\\.0\\.2/24[^]*fd44::2/64`));
    expect(await exec("e2", "ip route; ip -6 route; arp -n")).toMatch(
      /default via 10\.44\.0\.1 [\s\S]*10\.55\.0\.0\/16 via 10\.44\.0\.1 [\s\S]*default via fd44::1 [\s\S]*10\.44\.0\.9[^\n]*PERM/,
    );
    for (const host of ["10.44.0.2", "[fd44::2]"]) {
      const got = () => link.outside("busybox", "wget", "-q", "-O", "-", `http://${host}/`).catch(() => "");
      await expect.poll(got, POLL).toBe("hello\n");
    }
    expect(await exec("e3", "ping -c 1 -s 1372 10.44.0.1 && echo whole")).toContain("whole");
    await ctr("task", "kill", "--signal", "KILL", "server");
    await expect.poll(() => statusOf("server"), POLL).toBe("STOPPED");
    await ctr("task", "rm", "server");
    await ctr("container", "rm", "server");
    expect(await devices()).toBe(before);
    // A shim that is killed leaves its devices to `delete`.
    expect(await run(inLink, "again", "sleep", "1000")).toMatchObject({ code: 0 });
    expect(await devices()).not.toBe(before);
    process.kill(record("again").owner.pid, "SIGKILL");
    await expect.poll(() => isListed("again"), POLL).toBe(false);
    await expect.poll(devices, POLL).toBe(before);
    expect(await link.inPod("tc", "qdisc", "show", "dev", "eth0")).not.toContain("ingress");
    await ctr("container", "rm", "again");
  });

  it("gives a container folders and files of the host, and takes nothing of them away", async () => {
    const volume = join(directory, "volume");
    mkdirSync(volume);
    writeFileSync(join(volume, "file"), "a\n");
    const mounts = [
      ...["--mount", `type=bind,src=${volume},dst=/ro,options=rbind:ro`],
      ...["--mount", `type=bind,src=${volume}/file,dst=/rw,options=rbind:rw`],
    ];
    const script = "cat /ro/file; echo b >>/rw; touch /ro/new || echo refused; rm -rf /ro /rw";
    const { stdout } = await run(["--rm", ...mounts], "volumes", "sh", "-c", script);
    expect(stdout).toBe("a\nrefused\n");
    expect(namesIn(volume)).toEqual(["file"]);
    expect(readFileSync(join(volume, "file"), "utf8")).toBe("a\nb\n");
  });

  it.each([
    ["network", ["--net-host"], /a guest can't use the host's network; leave out --net-host/],
    ["socket", ["--mount", `type=bind,src=${join(directory, "c.sock")},dst=/s,options=rbind`], /a socket of the host/],
    ["device", ["--device", "/dev/null"], /a guest can't use the host's device \/dev\/null/],
    ["place", ["--mount", "type=bind,src=/nonexistent/x,dst=/s,options=rbind"], /mount \/nonexistent\/x: no such file/],
  ])("refuses what a guest can't have, in one line: %s", async (name, options, line) => {
    const { code, stderr } = await run([...options], `refused-${name}`, "true");
    expect([code, stderr]).toEqual([1, expect.stringMatching(line)]);
    expect(stderr.trimEnd().split("\n").length).toBe(1);
    expect(await isListed(name)).toBe(false);
    await ctr("container", "rm", `refused-${name}`);
  });

  it("a shim that is killed takes its guest along, and leaves nothing", async () => {
    await run(["-d"], "killed-shim", "sleep", "1000");
    const { owner } = record("killed-shim");
    const places = placesOf("killed-shim");
    const pid = await pidOf("killed-shim");
    expect(startedAt(pid)).toBeDefined();
    process.kill(owner.pid, "SIGKILL");
    await expect.poll(() => isListed("killed-shim"), POLL).toBe(false);
    await expect.poll(() => startedAt(pid), POLL).toBeUndefined();
    await expect.poll(() => places.filter(existsSync), POLL).toEqual([]);
    expect(events("killed-shim").slice(-2)).toEqual(["exit", "delete"]);
    await ctr("container", "rm", "killed-shim");
  });

  it("the processes of a guest that dies have ended by SIGKILL", async () => {
    await run(["-d"], "dead", "sleep", "1000");
    const { owner } = record("dead");
    process.kill(await pidOf("dead"), "SIGKILL");
    await expect.poll(() => statusOf("dead"), POLL).toBe("STOPPED");
    expect((await ctr("task", "rm", "dead")).stderr).toContain("exit code 137");
    await ctr("container", "rm", "dead");
    await expect.poll(() => isAlive(owner), POLL).toBe(false);
  });

  it("an agent that is killed loses no output and no exit code", async () => {
    const image = join(await buildDebugImage(), "image");
    containerd.configure({
      image: join(image, "guest.img"),
      initrd: join(image, "initrd.cpio"),
      kernel: join(image, "vmlinuz"),
      kernelArgs: ["agent.debug_console", "agent.debug_console_vport=1026"],
    });
    const script = "i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); [ $((i % 20)) = 0 ] && sleep 0.2; done; exit 9";
    const running = run(["--rm"], "counts", "sh", "-c", script);
    await expect.poll(() => events("counts"), POLL).toContain("start");
    const { folder } = record("counts");
    const [guest = ""] = namesIn(folder).filter((name) => name.startsWith("guestd-vm-"));
    const console = await dial(`hvsock://${join(folder, guest, "vm.vsock")}:1026`);
    console.on("error", () => undefined).resume();
    console.write("kill -9 $(pidof node)\n");
    const { code, stdout } = await running;
    console.destroy();
    expect(stdout.trimEnd().split("\n")).toEqual(Array.from({ length: 300 }, (_, at) => `${at}`));
    expect(code).toBe(9);
  });
});
