import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GUEST_SYSCTLS } from "../../../agent/guest/guest-sysctls.ts";
import { type AgentClient, connect } from "../../../host/client/agent-client.ts";
import { readEvents } from "../../../host/client/streams/events.ts";
import type { Guest } from "../../../host/vm/guest.ts";
import { findProgram } from "../../../host/vm/programs.ts";
import type { Qmp } from "../../../host/vm/qmp.ts";
import { execAffinity } from "../../scenarios/exec-affinity.ts";
import type { Machine } from "../../scenarios/machine.ts";
import { Pod } from "../../scenarios/pod.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { makeModules } from "../../vm/testing/guest-modules.ts";
import { logLine } from "../../vm/testing/log-line.ts";
import { plugMemory } from "../../vm/testing/plug-memory.ts";
import { plugProcessor } from "../../vm/testing/plug-processor.ts";

const MIB = 1 << 20;
const HOOKS = "/run/hooks";
/** Source of the storage that CreateSandbox mounts at HOOKS. */
const HOOKS_SOURCE = "/run/hooks-of-the-guest";
/** Port of the API, instead of 1024. */
const PORT = 1030;
/** Kinds of hooks in order; those of startContainer are programs in the container. */
const KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"] as const;

describe("devices plugged into a running guest", () => {
  let directory = "";
  let machine: Machine & { readonly guest: Guest };
  let qmp: Qmp;
  let client: AgentClient;
  let pod: Pod;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "guestd-hotplug-"));
    const modules = join(directory, "modules");
    await makeModules(modules, ["dummy", "xfs"]);
    const shares = [{ tag: "modules", directory: modules }];
    const kernelArgs = ["agent.lock_modules=on", "agent.guest_sysctl=off", `agent.server_addr=vsock://-1:${PORT}`];
    machine = await startGuestMachine(512, { hotplug: true, tracing: true, shares, kernelArgs });
    qmp = await machine.guest.qmp();
    client = await connect(machine.guest.address(PORT));
  });
  afterAll(async () => {
    await client?.close();
    await qmp?.[Symbol.asyncDispose]();
    await machine?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const shell = (command: string) => machine.shell(command);

  /** Plugs a raw disk of the host into one of the guest's ports. */
  async function plugDisk(
    port: number,
    make: (file: string) => void,
    size = 64 * MIB,
  ): Promise<{ file: string; node: string }> {
    const [file, node] = [join(directory, `disk${port}`), `disk${port}`];
    writeFileSync(file, "");
    truncateSync(file, size);
    make(file);
    await qmp.execute("blockdev-add", { driver: "raw", "node-name": node, file: { driver: "file", filename: file } });
    await qmp.execute("device_add", { driver: "virtio-blk-pci", id: `d${port}`, bus: `port${port}`, drive: node });
    return { file, node };
  }
  const appears = (path: string) =>
    shell(`i=0; while [ ! -e ${path} ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done; ls ${path}`);

  test("agent.server_addr replaces port 1024", async () => {
    await expect(machine.connect()).rejects.toThrow(/^dial /);
    expect((await client.health.check({})).status).toBe(1);
  });

  test("CreateSandbox loads kernel modules, mounts storages that need them, then looks for hooks in those; a missing module fails it, and it can be called again", async () => {
    await shell("mount -t virtiofs modules /lib/modules");
    await plugDisk(3, (disk) => execFileSync(findProgram("mkfs.xfs") ?? "mkfs.xfs", ["-q", disk]), 320 * MIB);
    const directories = [...KINDS, "poststop"].map((kind) => `${HOOKS_SOURCE}/${kind}`);
    await shell(`mkdir -p ${directories.join(" ")}; cd ${HOOKS_SOURCE}
echo '#!/bin/sh' >prestart/own; echo 'echo "$0 $* $(cat)" >>${HOOKS}/log' >>prestart/own; chmod 755 prestart/own
for kind in ${KINDS.slice(1).join(" ")}; do cp prestart/own $kind; done
cp prestart/own poststop/last; ln -s own prestart/link`);
    const wrong = client.agent.createSandbox({ sandbox_id: "s", kernel_modules: [{ name: "nosuchmodule" }] });
    await expect(wrong).rejects.toMatchObject({
      kind: "internal",
      message: expect.stringMatching(/^kernel module nosuchmodule: \/sbin\/modprobe: .*not found/),
    });
    const sysctls = () =>
      shell(`cd /proc/sys; cat ${GUEST_SYSCTLS.map(([name]) => name.replaceAll(".", "/")).join(" ")} 2>/dev/null`);
    const before = await sysctls();
    expect(await shell("ls -d /run/hooks /sys/module/xfs 2>/dev/null")).toBe("");
    await client.agent.createSandbox({
      sandbox_id: "s",
      hostname: "h".repeat(80),
      guest_hook_path: HOOKS,
      storages: [
        ...machine.storages.map((storage) => ({ ...storage, options: [...storage.options, "dax"] })),
        { driver: "bind", source: HOOKS_SOURCE, fstype: "bind", options: ["rbind"], mount_point: HOOKS },
        { driver: "blk", source: "13/00", fstype: "xfs", mount_point: "/run/kata-containers/sandbox/storage/xfs" },
      ],
      kernel_modules: [{ name: "dummy", parameters: ["numdummies=2"] }, { name: "xfs" }],
    });
    expect(await shell("ls /sys/class/net")).toMatch(/dummy0\s+dummy1/);
    expect(await shell("grep ' xfs ' /proc/mounts")).toMatch(
      /^\/dev\/vda \/run\/kata-containers\/sandbox\/storage\/xfs xfs rw/,
    );
    expect(await shell("cat /proc/sys/kernel/modules_disabled"), "agent.lock_modules").toBe("1\n");
    expect(await shell("cat /proc/sys/kernel/kptr_restrict"), "agent.guest_sysctl").toBe("0\n");
    expect(await sysctls(), "agent.guest_sysctl").toBe(before);
    pod = new Pod(machine, client);
    expect((await pod.run(["hostname"])).stdout.toString()).toBe(`${"h".repeat(64)}\n`);
  });

  test("a share with dax on a machine without a DAX window is mounted without it, and the log says so", async () => {
    expect(await shell("dmesg | grep -i 'virtio-fs: dax'")).toMatch(/dax can't be enabled/);
    expect(await shell("grep ' /run/kata-containers/shared/containers ' /proc/mounts")).toMatch(
      /^kataShared \S+ virtiofs rw,nodev,relatime 0 0\n$/,
    );
    const mountPoint = "/run/kata-containers/shared/containers";
    const line = await logLine(machine.guest, /no DAX window/);
    expect(JSON.parse(line)).toMatchObject({
      level: "WARN",
      msg: `virtio-fs storage kataShared on ${mountPoint}: the machine has no DAX window, mounted without DAX`,
    });
  });

  test("hooks in the guest's directory run for a container, and links in it don't", async () => {
    await shell(`rm -f ${HOOKS}/log`);
    const id = await pod.start(["true"]);
    const ran = async () => {
      const lines = (await shell(`cat ${HOOKS}/log`)).trim().split("\n");
      return lines.map((line) => {
        const at = line.indexOf("{");
        const state = JSON.parse(line.slice(at)) as { id: string; status: string };
        return [line.slice(0, at).trim(), state.id, state.status];
      });
    };
    const own = (kind: (typeof KINDS)[number], status: string) => [`${HOOKS}/${kind}/own ${kind}`, id, status];
    const first = [
      ...(["prestart", "createRuntime", "createContainer"] as const).map((kind) => own(kind, "creating")),
      own("poststart", "running"),
    ];
    expect(await ran()).toEqual(first);
    await pod.finish(id, id);
    await pod.remove(id);
    expect(await ran()).toEqual([...first, [`${HOOKS}/poststop/last poststop`, id, "stopped"]]);
    await logLine(machine.guest, new RegExp(`guest hooks: ${HOOKS}/prestart/link: not a regular file`));
    await logLine(machine.guest, new RegExp(`guest hooks: ${HOOKS}/startContainer: not run from the guest`));
  });

  // Before processors are plugged in: changing the code of an emulated kernel makes all of them stop for each other, and a
  // guest with plugged ones was once silent for minutes there.
  test("ReseedRandomDev adds its bytes to the kernel's pool, credits them as entropy, and the generator uses them", async () => {
    const tracing = "/sys/kernel/tracing";
    const seed = `seed-${randomBytes(8).toString("hex")}`;
    await shell(`mount -t tracefs tracefs ${tracing} 2>/dev/null
cd ${tracing}; echo 'p:mixed blake2s_update text=+0(%si):string length=%dx' >kprobe_events
echo 'p:control random_ioctl cmd=%si:x32' >>kprobe_events; echo 1 >events/kprobes/enable`);
    await client.agent.reseedRandomDev({ data: Buffer.from(`${seed}\0`) });
    const trace = await shell(
      `cd ${tracing}; echo 0 >events/kprobes/enable; grep -E '${seed}|control:' trace; echo >kprobe_events`,
    );
    expect(trace).toMatch(new RegExp(`mixed: .*text="${seed}" length=0x${(seed.length + 1).toString(16)}\\n`));
    expect(trace).toMatch(/control: .*cmd=0x40045201\n[\s\S]*control: .*cmd=0x5207\n/);
  });

  test("OnlineCPUMem with wait returns once a processor is online, and a running container can use it", async () => {
    const id = await pod.start(["sleep", "1000"]);
    const cpus = async () => Number((await pod.execute(id, ["grep", "-c", "^processor", "/proc/cpuinfo"])).stdout);
    expect(await cpus()).toBe(1);
    await plugProcessor(qmp, "cpu1");
    await client.agent.onlineCPUMem({ wait: true, nb_cpus: 1, cpu_only: true });
    expect(await cpus()).toBe(2);
    expect(await shell("cat /sys/fs/cgroup/cpuset.cpus.effective /sys/devices/system/cpu/online")).toBe("0-1\n0-1\n");
    await pod.remove(id);
  });

  test("a processor that is plugged in while OnlineCPUMem waits ends the wait", async () => {
    let answered = false;
    const waiting = client.agent.onlineCPUMem({ wait: true, nb_cpus: 3, cpu_only: true }).then(() => {
      answered = true;
    });
    await sleep(500);
    expect(answered).toBe(false);
    await plugProcessor(qmp, "cpu2");
    await waiting;
    expect(await shell("cat /sys/devices/system/cpu/online")).toBe("0-2\n");
  });

  test("an exec with execCPUAffinity runs on its processors, and the first process on all", () =>
    execAffinity(pod, "0-2"));

  test("plugged-in memory comes online", async () => {
    const total = async () => Number(/MemTotal: +(\d+)/.exec(await shell("cat /proc/meminfo"))?.[1]);
    const before = await total();
    await plugMemory(qmp, "dimm", 256);
    for (let tries = 0; tries < 50 && (await total()) < before + 200 * 1024; tries++)
      await client.agent.onlineCPUMem({});
    expect((await total()) - before).toBeGreaterThan(200 * 1024);
  });

  test("swap is added from a disk by its PCI path and by its path", async () => {
    await plugDisk(0, (file) => execFileSync(findProgram("mkswap") ?? "mkswap", [file], { stdio: "ignore" }));
    await client.agent.addSwap({ PCIPath: [0x10, 0] });
    expect(await shell("cat /proc/swaps; swapoff /dev/vdb")).toMatch(/^\/dev\/vdb +partition\t+65532/m);
    await expect(client.agent.addSwap({ PCIPath: [0x1f, 7] })).rejects.toMatchObject({ kind: "internal" });
    await client.agent.addSwapPath({ path: "/dev/vdb" });
    expect(await shell("cat /proc/swaps")).toMatch(/^\/dev\/vdb +partition\t+65532/m);
    await expect(client.agent.addSwapPath({ path: "/dev/vdb" })).rejects.toThrow("swapon /dev/vdb: EBUSY");
    await shell("swapoff /dev/vdb");
  });

  test.each([
    ["ext4", 1, "/dev/vdc", 64, ["-q"]],
    ["xfs", 2, "/dev/vdd", 320, ["-q", "-f"]],
  ] as const)("a mounted %s volume grows with its disk", async (type, port, device, mib, options) => {
    const size = mib * MIB;
    const mkfs = findProgram(`mkfs.${type}`) ?? `mkfs.${type}`;
    const { file, node } = await plugDisk(port, (disk) => execFileSync(mkfs, [...options, disk]), size);
    await appears(device);
    await shell(`mkdir -p /run/volume && mount -t ${type} ${device} /run/volume && echo kept >/run/volume/file`);
    const total = async () =>
      (await client.agent.getVolumeStats({ volume_guest_path: "/run/volume" })).usage[0]?.total ?? 0;
    const before = await total();
    const resize = (bytes: number) => client.agent.resizeVolume({ volume_guest_path: "/run/volume", size: bytes });
    await expect(resize(2 * size)).rejects.toThrow(
      `resize volume /run/volume: ${device} has ${size} bytes, fewer than the requested ${2 * size}`,
    );
    await expect(resize(size / 2)).rejects.toMatchObject({ kind: "invalid-argument" });
    truncateSync(file, 2 * size);
    await qmp.execute("block_resize", { "node-name": node, size: 2 * size });
    await resize(2 * size);
    expect((await total()) - before).toBeGreaterThan(size * 0.8);
    await resize(0);
    expect(await shell("cat /run/volume/file; grep -c /run/volume /proc/mounts; umount /run/volume")).toBe("kept\n1\n");
  });

  test("SetGuestDateTime sets the clock, but not to a time before the guest's start", async () => {
    const future = 1_900_000_000;
    await client.agent.setGuestDateTime({ Sec: future, Usec: 500_000 });
    const now = Number(await shell("date +%s"));
    expect(now - future).toBeGreaterThanOrEqual(0);
    expect(now - future).toBeLessThan(30);
    await expect(client.agent.setGuestDateTime({ Sec: 0 })).rejects.toThrow("settimeofday 0 s: EINVAL");
  });

  test("Resumed sets the clock of a clone an hour on, and ends no call by its time limit", async () => {
    const id = await pod.start(["cat"]);
    const exec_id = await pod.exec(id, ["sh", "-c", "read line; exit 7"]);
    const waiting = client.agent.waitProcess({ container_id: id, exec_id }, { timeoutMs: 120_000 });
    const { epoch, losses } = await client.guest.quiesce({ freeze_containers: true });
    expect(losses.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["share", "call"]));
    const ms = Number(await shell("date +%s")) * 1000 + 3_600_000;
    const time = { realtime_seconds: Math.floor(ms / 1000), realtime_nanos: 0 };
    const began = performance.now();
    const request = { epoch: epoch + 1, entropy: randomBytes(64), hostname: "an-hour-on", ...time };
    await client.guest.resumed(request, { timeoutMs: 120_000 });
    const tookMs = performance.now() - began;
    let resumedAt: number | undefined;
    for await (const event of readEvents(machine.guest.address(1028), { since: 1, kinds: ["guest"] })) {
      if (!("epoch" in event) || event.epoch !== epoch + 1) continue;
      resumedAt = event.time.getTime();
      break;
    }
    expect(resumedAt).toBeGreaterThan(ms - 50);
    expect(resumedAt).toBeLessThan(ms + tookMs + 50);
    expect((await pod.execute(id, ["hostname"])).stdout.toString()).toBe("an-hour-on\n");
    await client.agent.writeStdin({ container_id: id, exec_id, data: Buffer.from("\n") });
    expect(await waiting).toMatchObject({ status: 7 });
    await pod.remove(id);
  });
});
