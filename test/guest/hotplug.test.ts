import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AgentClient } from "../../host/client/agent-client.ts";
import type { Guest } from "../../host/machine/guest.ts";
import { findProgram } from "../../host/machine/programs.ts";
import type { Qmp } from "../../host/machine/qmp.ts";
import type { Machine } from "../scenarios/machine.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "./guest-machine.ts";
import { makeModules } from "./guest-modules.ts";

const MIB = 1 << 20;

describe("what is plugged into a running guest", () => {
  let directory = "";
  let machine: Machine & { readonly guest: Guest };
  let qmp: Qmp;
  let client: AgentClient;
  let pod: Pod;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "guestd-hotplug-"));
    const modules = join(directory, "modules");
    await makeModules(modules, ["dummy"]);
    const shares = [{ tag: "modules", directory: modules }];
    machine = await startGuestMachine(512, { hotplug: true, shares, kernelArgs: ["agent.lock_modules=on"] });
    qmp = await machine.guest.qmp();
    client = await machine.connect();
  });
  afterAll(async () => {
    await client?.close();
    await qmp?.[Symbol.asyncDispose]();
    await machine?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const shell = (command: string) => machine.shell(command);

  /** A raw disk of the host in one of the guest's ports. */
  async function plugDisk(port: number, make: (file: string) => void): Promise<{ file: string; node: string }> {
    const [file, node] = [join(directory, `disk${port}`), `disk${port}`];
    writeFileSync(file, "");
    truncateSync(file, 64 * MIB);
    make(file);
    await qmp.execute("blockdev-add", { driver: "raw", "node-name": node, file: { driver: "file", filename: file } });
    await qmp.execute("device_add", { driver: "virtio-blk-pci", id: `d${port}`, bus: `port${port}`, drive: node });
    return { file, node };
  }
  const appears = (path: string) =>
    shell(`i=0; while [ ! -e ${path} ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done; ls ${path}`);

  test("CreateSandbox loads kernel modules with their parameters; one that is not there fails it, and it may be asked again", async () => {
    await shell("mount -t virtiofs modules /lib/modules");
    const wrong = client.agent.createSandbox({ sandbox_id: "s", kernel_modules: [{ name: "nosuchmodule" }] });
    await expect(wrong).rejects.toMatchObject({
      kind: "internal",
      message: expect.stringMatching(/^kernel module nosuchmodule: \/sbin\/modprobe: .*not found/),
    });
    await client.agent.createSandbox({
      sandbox_id: "s",
      hostname: "h".repeat(80),
      storages: [...machine.storages],
      kernel_modules: [{ name: "dummy", parameters: ["numdummies=2"] }],
    });
    expect(await shell("ls /sys/class/net")).toMatch(/dummy0\s+dummy1/);
    expect(await shell("cat /proc/sys/kernel/modules_disabled"), "agent.lock_modules").toBe("1\n");
    pod = new Pod(machine, client);
    expect((await pod.run(["hostname"])).stdout.toString()).toBe(`${"h".repeat(64)}\n`);
  });

  test("a processor is there when OnlineCPUMem answers one who waits, and a running container has it", async () => {
    const id = await pod.start(["sleep", "1000"]);
    const cpus = async () => Number((await pod.execute(id, ["grep", "-c", "^processor", "/proc/cpuinfo"])).stdout);
    expect(await cpus()).toBe(1);
    const free = (await qmp.execute("query-hotpluggable-cpus")) as {
      type: string;
      props: object;
      "qom-path"?: string;
    }[];
    const slot = free.findLast((cpu) => cpu["qom-path"] === undefined);
    await qmp.execute("device_add", { driver: slot?.type, id: "cpu1", ...slot?.props });
    await client.agent.onlineCPUMem({ wait: true, nb_cpus: 1, cpu_only: true });
    expect(await cpus()).toBe(2);
    expect(await shell("cat /sys/fs/cgroup/cpuset.cpus.effective /sys/devices/system/cpu/online")).toBe("0-1\n0-1\n");
    await pod.remove(id);
  });

  test("who waits for a processor that does not come is told so", async () => {
    const waiting = client.agent.onlineCPUMem({ wait: true, nb_cpus: 3, cpu_only: true });
    await expect(waiting).rejects.toMatchObject({
      kind: "internal",
      message: "online processors: 3 asked for, 0 brought online within 5 s, 2 are",
    });
  });

  test("memory comes online", async () => {
    const total = async () => Number(/MemTotal: +(\d+)/.exec(await shell("cat /proc/meminfo"))?.[1]);
    const before = await total();
    const backend = { "qom-type": "memory-backend-memfd", id: "more", size: 256 * MIB, share: true };
    await qmp.execute("object-add", backend);
    await qmp.execute("device_add", { driver: "pc-dimm", id: "dimm", memdev: "more" });
    for (let tries = 0; tries < 50 && (await total()) < before + 200 * 1024; tries++)
      await client.agent.onlineCPUMem({});
    expect((await total()) - before).toBeGreaterThan(200 * 1024);
  });

  test("swap is taken from a disk by its PCI path and by its path", async () => {
    await plugDisk(0, (file) => execFileSync(findProgram("mkswap") ?? "mkswap", [file], { stdio: "ignore" }));
    await client.agent.addSwap({ PCIPath: [0x10, 0] });
    expect(await shell("cat /proc/swaps; swapoff /dev/vda")).toMatch(/^\/dev\/vda +partition\t+65532/m);
    await expect(client.agent.addSwap({ PCIPath: [0x1f, 7] })).rejects.toMatchObject({ kind: "internal" });
    await client.agent.addSwapPath({ path: "/dev/vda" });
    expect(await shell("cat /proc/swaps")).toMatch(/^\/dev\/vda +partition\t+65532/m);
    await expect(client.agent.addSwapPath({ path: "/dev/vda" })).rejects.toThrow("swapon /dev/vda: EBUSY");
    await shell("swapoff /dev/vda");
  });

  test("a mounted volume of ext4 grows with its disk", async () => {
    const { file, node } = await plugDisk(1, (disk) =>
      execFileSync(findProgram("mkfs.ext4") ?? "mkfs.ext4", ["-q", disk]),
    );
    await appears("/dev/vdb");
    await shell("mkdir -p /run/volume && mount -t ext4 /dev/vdb /run/volume");
    const size = async () =>
      (await client.agent.getVolumeStats({ volume_guest_path: "/run/volume" })).usage[0]?.total ?? 0;
    const before = await size();
    const resize = (bytes: number) => client.agent.resizeVolume({ volume_guest_path: "/run/volume", size: bytes });
    await expect(resize(128 * MIB)).rejects.toThrow(
      `resize volume /run/volume: /dev/vdb has ${64 * MIB} bytes, not the ${128 * MIB} that are asked for`,
    );
    await expect(resize(32 * MIB)).rejects.toMatchObject({ kind: "invalid-argument" });
    truncateSync(file, 128 * MIB);
    await qmp.execute("block_resize", { "node-name": node, size: 128 * MIB });
    await resize(128 * MIB);
    expect((await size()) - before).toBeGreaterThan(50 * MIB);
    await resize(0);
    await shell("umount /run/volume");
  });

  test("the clock is what it was set to, and not before the start", async () => {
    const future = 1_900_000_000;
    await client.agent.setGuestDateTime({ Sec: future, Usec: 500_000 });
    const now = Number(await shell("date +%s"));
    expect(now - future).toBeGreaterThanOrEqual(0);
    expect(now - future).toBeLessThan(30);
    await expect(client.agent.setGuestDateTime({ Sec: 0 })).rejects.toThrow("settimeofday 0 s: EINVAL");
  });
});
