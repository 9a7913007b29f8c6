import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import { compileC } from "../../testing/compile-c.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { makeModules } from "../../vm/testing/guest-modules.ts";

/** Slots of the root bus: two functions in one group, one that a guest driver keeps, one alone in its group. */
const [PAIR, KEPT, ALONE] = ["18", "19", "1a"];
const CARD = "multifunction=on,iommu_platform=on,disable-legacy=on,romfile=";

let directory: string;
let machine: Awaited<ReturnType<typeof startGuestMachine>>;
let pod: Pod;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "guestd-vfio-"));
  compileC([join(import.meta.dirname, "open-vfio.c")], join(directory, "open-vfio"));
  await makeModules(directory, ["vfio_pci", "vfio_iommu_type1", "rdma_ucm"]);
  const card = (slot: string) => ["-device", `virtio-net-pci,bus=pcie.0,addr=0x${slot},${CARD}`];
  machine = await startGuestMachine(512, {
    // With interrupt remapping, a kernel that counts too few timer ticks, as on a busy machine, panics.
    kernelArgs: ["intel_iommu=on", "no_timer_check"],
    shares: [{ tag: "modules", directory }],
    qemuArgs: [
      ...["-machine", "kernel-irqchip=split", "-device", "intel-iommu,intremap=on"],
      ...[`${PAIR}.0`, `${PAIR}.1`, KEPT, ALONE].flatMap((slot) => card(slot)),
    ],
  });
  await machine.shell("mount -t virtiofs modules /lib/modules");
  const client = await machine.connect();
  await client.agent.createSandbox({
    sandbox_id: "pod",
    storages: [...machine.storages],
    kernel_modules: ["vfio", "vfio_pci", "vfio_iommu_type1"].map((name) => ({ name })),
  });
  pod = new Pod(machine, client);
});
afterAll(async () => {
  await pod?.client.close();
  await machine?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const driverOf = async (address: string) =>
  (await machine.shell(`basename $(readlink /sys/bus/pci/devices/${address}/driver)`)).trim();

const character = (Path: string, Major: number, Minor: number) => ({ Path, Type: "c", Major, Minor, FileMode: 0o600 });
type Node = ReturnType<typeof character>;
const allow = ({ Type, Major, Minor }: Node) => ({ Allow: true, Type, Major, Minor, Access: "rw" });
const deny = { Allow: false, Type: "a", Access: "rwm" };

interface Given {
  readonly type: string;
  readonly options: readonly string[];
  readonly env?: readonly string[];
  readonly nodes?: readonly Node[];
}

/** Starts a sleeping container with these functions at /dev/vfio/70 of its spec. */
async function giveFunctions(id: string, { type, options, env = [], nodes = [] }: Given): Promise<string> {
  const rootfs = machine.rootfs(id);
  copyFileSync(join(directory, "open-vfio"), join(machine.hostPath(rootfs), "bin/open-vfio"));
  const { Linux, Process } = ociSpec("/", ["sh", "-c", "env | grep ^PCI | sort; exec sleep 1000"]);
  const { agent } = pod.client;
  await agent.createContainer({
    container_id: id,
    devices: [{ type, id: "70", container_path: "/dev/vfio/70", options }],
    OCI: ociSpec(rootfs, [], {
      Process: { ...Process, Env: ["PATH=/bin", ...env] },
      Linux: { ...Linux, Devices: nodes, Resources: { Devices: [deny, ...nodes.map(allow)] } },
    }),
  });
  await agent.startContainer({ container_id: id });
  return id;
}

const inside = async (id: string, line: string, Env: readonly string[] = []): Promise<string> => {
  const { stdout, stderr } = await pod.execute(id, ["sh", "-c", line], { Env: ["PATH=/bin", ...Env] });
  return `${stdout}${stderr}`;
};

const LIST = "PCIDEVICE_VENDOR_NIC=0000:3b:00.0,0000:3B:00.1,0000:af:00.0";
const JSON_OF = (one: string, other: string) => `PCIDEVICE_VENDOR_NIC_INFO={"${one}":{"id":"${one}"},"${other}":{}}`;
const ENV = [LIST, JSON_OF("0000:3b:00.0", "0000:3b:00.1"), "OTHER=0000:3b:00.0"];
const IN_GUEST = [
  `PCIDEVICE_VENDOR_NIC=0000:00:${PAIR}.0,0000:00:${PAIR}.1,0000:af:00.0`,
  JSON_OF(`0000:00:${PAIR}.0`, `0000:00:${PAIR}.1`),
];
const VFIO = character("/dev/vfio/vfio", 10, 196);
const GROUP = character("/dev/vfio/70", 511, 4);

test("functions in two groups are refused and keep their drivers", async () => {
  const options = [`0000:3b:00.0=${PAIR}.0`, `0000:3b:00.1=${ALONE}`];
  const given = giveFunctions("two", { type: "vfio-pci", options, nodes: [GROUP] });
  await expect(given).rejects.toThrow(
    /^VFIO device \/dev\/vfio\/70: its functions are in different IOMMU groups: \d+, \d+$/,
  );
  expect([await driverOf(`0000:00:${PAIR}.0`), await driverOf(`0000:00:${ALONE}.0`)]).toEqual([
    "virtio-pci",
    "virtio-pci",
  ]);
});

test("a container drives a group's functions through vfio-pci, and its environment has their guest addresses", async () => {
  const options = [`0000:3b:00.0=${PAIR}.0`, `3b:00.1=${PAIR}.1`];
  const id = await giveFunctions("pair", { type: "vfio-pci", options, env: ENV, nodes: [VFIO, GROUP] });
  const functions = [`0000:00:${PAIR}.0`, `0000:00:${PAIR}.1`];
  expect(await Promise.all(functions.map(driverOf))).toEqual(["vfio-pci", "vfio-pci"]);
  const group = (await machine.shell(`basename $(readlink /sys/bus/pci/devices/${functions[0]}/iommu_group)`)).trim();
  expect(await inside(id, "ls /dev/vfio")).toBe(`${group}\nvfio\n`);
  expect(await inside(id, `open-vfio /dev/vfio/${group} ${functions.join(" ")}`)).toBe(
    `version 0\n${functions.map((address) => `${address} 1af4:1041\n`).join("")}`,
  );
  const { data } = await pod.client.agent.readStdout({ container_id: id, exec_id: id, len: 4096 });
  expect(String(data)).toBe(`${IN_GUEST.join("\n")}\n`);
  expect(await inside(id, "env | grep ^PCI | sort", ENV)).toBe(`${IN_GUEST.join("\n")}\n`);
  await pod.remove(id);
});

test("a function that vfio-pci already has can be given to another container", async () => {
  const options = [`0000:3b:00.0=${PAIR}.0`];
  const id = await giveFunctions("again", { type: "vfio-pci", options, nodes: [VFIO, GROUP] });
  expect(await inside(id, `open-vfio /dev/vfio/[0-9]* 0000:00:${PAIR}.0`)).toContain(" 1af4:1041\n");
  await pod.remove(id);
});

test("a guest driver keeps a function of vfio-pci-gk, and InfiniBand nodes are added", async () => {
  await machine.shell("modprobe rdma_ucm");
  const env = ["PCIDEVICE_VENDOR_NIC=0000:3b:00.2"];
  const id = await giveFunctions("kept", { type: "vfio-pci-gk", options: [`0000:3b:00.2=${KEPT}`], env });
  expect(await driverOf(`0000:00:${KEPT}.0`)).toBe("virtio-pci");
  const { data } = await pod.client.agent.readStdout({ container_id: id, exec_id: id, len: 4096 });
  expect(String(data)).toBe(`PCIDEVICE_VENDOR_NIC=0000:00:${KEPT}.0\n`);
  expect(await inside(id, "env | grep ^PCI", env)).toBe(`PCIDEVICE_VENDOR_NIC=0000:00:${KEPT}.0\n`);
  const numbers = (await machine.shell("stat -c '%a %t:%T' /dev/infiniband/rdma_cm")).trim();
  expect(await inside(id, "ls /dev/infiniband; stat -c '%a %t:%T' /dev/infiniband/rdma_cm; ls -d /dev/vfio")).toBe(
    `rdma_cm\n${numbers}\nls: /dev/vfio: No such file or directory\n`,
  );
  expect(await inside(id, "exec 3<>/dev/infiniband/rdma_cm && echo opened")).toBe("opened\n");
  await pod.remove(id);
});
