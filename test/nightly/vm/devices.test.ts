import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Qmp } from "../../../host/vm/qmp.ts";
import { idmappedBinds, mountedSource } from "../../scenarios/idmapped-binds.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import { makeDiskImage } from "../../vm/testing/disk-images.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";

/** Slots of the root bus that no other device uses. */
const BRIDGE = "14";
const SCSI = "15";

let directory: string;
let machine: Awaited<ReturnType<typeof startGuestMachine>>;
let qmp: Qmp;
let pod: Pod;
let count = 0;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "guestd-disks-"));
  const cold = await makeDiskImage(directory, "cold", 16, true);
  machine = await startGuestMachine(512, {
    hotplug: true,
    qemuArgs: [
      ...["-device", `pci-bridge,id=bridge,bus=pcie.0,addr=0x${BRIDGE},chassis_nr=1,shpc=off`],
      ...["-device", `virtio-scsi-pci,id=scsi,bus=pcie.0,addr=0x${SCSI}`],
      ...["-blockdev", `driver=raw,node-name=cold,file.driver=file,file.filename=${cold}`],
      ...["-device", "virtio-blk-pci,drive=cold,bus=bridge,addr=0x5"],
    ],
  });
  qmp = await machine.guest.qmp();
  pod = await Pod.open(machine);
});
afterAll(async () => {
  await qmp?.[Symbol.asyncDispose]();
  await machine?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

/** Plugs in a disk with its own image. */
async function plug(name: string, device: Readonly<Record<string, unknown>>): Promise<void> {
  const filename = await makeDiskImage(directory, name);
  await qmp.execute("blockdev-add", { driver: "raw", "node-name": name, file: { driver: "file", filename } });
  await qmp.execute("device_add", { id: name, drive: name, ...device });
}

async function unplug(name: string): Promise<void> {
  await qmp.execute("device_del", { id: name });
  await qmp.event("DEVICE_DELETED", ({ device }) => device === name);
}

/** Waits until a path is gone, because the guest removes an unplugged device asynchronously. */
async function gone(path: string): Promise<void> {
  const line = `i=0; while [ -e ${path} ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done; ls ${path}`;
  expect(await machine.shell(line)).toContain("No such file");
}

const onBridge = (slot: string) => ({ driver: "virtio-blk-pci", bus: "bridge", addr: `0x${slot}` });

/** Runs a container whose root is a disk. Returns what it prints about its root. */
async function rootedIn(driver: string, source: string): Promise<string> {
  const id = `disk${++count}`;
  const mount_point = `/run/kata-containers/shared/containers/${id}`;
  // As the Go shim does: the share is read-only in the guest.
  mkdirSync(machine.hostPath(mount_point));
  const line = "cat /which; touch /written && grep ' / ' /proc/mounts";
  const { agent } = pod.client;
  await agent.createContainer({
    container_id: id,
    storages: [{ driver, source, fstype: "ext4", options: ["noatime"], mount_point }],
    OCI: ociSpec(`${mount_point}/rootfs`, ["sh", "-c", line]),
  });
  await agent.startContainer({ container_id: id });
  const { stdout, stderr } = await pod.finish(id, id);
  await pod.remove(id);
  expect(await machine.shell(`grep ${mount_point} /proc/mounts; ls -d ${mount_point}`)).not.toContain(
    `${mount_point} ext4`,
  );
  return `${stdout}${stderr}`;
}

test("a disk that is present at boot can be a container's root", async () => {
  expect(await rootedIn("blk", `${BRIDGE}/05`)).toMatch(/^cold\n\/dev\/vd[a-z] \/ ext4 rw,noatime/);
});

test("directories of a disk can be bound with mapped ids", async () => {
  const container_id = `disk${++count}`;
  const mount_point = "/run/idmapped-disk";
  const storages = [{ driver: "blk", source: `${BRIDGE}/05`, fstype: "ext4", options: [], mount_point }];
  const OCI = ociSpec(`${mount_point}/rootfs`, ["sleep", "1000"]);
  await pod.client.agent.createContainer({ container_id, storages, OCI });
  await idmappedBinds(pod, mountedSource(mount_point), { brief: true });
  await machine.shell(`umount ${mount_point}/idmapped/below`);
  await pod.remove(container_id);
});

test("an image can be read from a layout on a disk that the same call mounts", async () => {
  const id = `disk${++count}`;
  const mount_point = `/run/kata-containers/${id}/rootfs`;
  const { agent } = pod.client;
  await agent.createContainer({
    container_id: id,
    storages: [
      { driver: "blk", source: `${BRIDGE}/05`, fstype: "ext4", options: ["ro"], mount_point: "/run/images" },
      { driver: "image_guest_pull", source: "cold", options: ["layout=/run/images/layout"], mount_point },
    ],
    OCI: ociSpec(mount_point, ["cat", "/image"]),
  });
  await agent.startContainer({ container_id: id });
  expect((await pod.finish(id, id)).stdout.toString()).toBe("image of cold\n");
  await pod.remove(id);
  expect(await machine.shell("grep -E '/run/(images|kata-containers/disk)' /proc/mounts || echo none")).toBe("none\n");
});

test("a disk that is plugged in during the wait is found by its PCI path, and so is the next one at that path", async () => {
  const first = rootedIn("blk", `${BRIDGE}/01`);
  await sleep(300);
  await plug("first", onBridge("1"));
  expect(await first).toMatch(/^first\n\/dev\/vd[a-z] \/ ext4/);
  await unplug("first");
  await plug("second", onBridge("1"));
  expect(await rootedIn("blk", `${BRIDGE}/01.0`)).toMatch(/^second\n/);
});

test("a disk is found by its name", async () => {
  await plug("named", onBridge("2"));
  expect(await rootedIn("blk", "/dev/vdc")).toMatch(/^named\n\/dev\/vdc \/ ext4/);
});

test("a disk whose uevent the kernel lost is found by a scan of the bus", async () => {
  const address = (await machine.shell("basename $(readlink -f /sys/block/vdc/device/..)")).trim();
  await machine.shell(`echo 1 > /sys/bus/pci/devices/${address}/remove`);
  expect(await machine.shell("ls /sys/block")).not.toContain("vdc");
  expect(await rootedIn("blk", `${BRIDGE}/02`)).toMatch(/^named\n\/dev\/vdc \/ ext4/);
});

test("a SCSI disk is found by its id and unit number", async () => {
  await plug("unit", { driver: "scsi-hd", bus: "scsi.0", channel: 0, "scsi-id": 3, lun: 1 });
  expect(await rootedIn("scsi", "3:1")).toMatch(/^unit\n\/dev\/sda \/ ext4/);
  await machine.shell("echo 1 > /sys/block/sda/device/delete");
  expect(await machine.shell("ls /sys/block"), "unknown to the kernel").not.toContain("sda");
  expect(await rootedIn("scsi", "3:1")).toMatch(/^unit\n\/dev\/sda \/ ext4/);
});

test("an unplugged SCSI disk is gone, and another can take its place", async () => {
  await unplug("unit");
  await gone("/dev/sda");
  await expect(rootedIn("scsi", "3:1")).rejects.toThrow(
    /^disk at SCSI address 3:1: still missing after 3000 ms; SCSI devices present: none; disks present: (?!.*sda)/,
  );
  await plug("other", { driver: "scsi-hd", bus: "scsi.0", channel: 0, "scsi-id": 3, lun: 1 });
  expect(await rootedIn("scsi", "3:1")).toMatch(/^other\n\/dev\/sda \/ ext4/);
});

test("a disk unplugged under its container gives it errors; the container can be removed, and the agent keeps running", async () => {
  await plug("torn", onBridge("3"));
  const [id, mount_point] = ["torn", "/run/kata-containers/sandbox/storage/torn"];
  const { agent } = pod.client;
  await agent.createContainer({
    container_id: id,
    storages: [{ driver: "blk", source: `${BRIDGE}/03`, fstype: "ext4", mount_point }],
    OCI: ociSpec(machine.rootfs(id), ["sleep", "1000"], {
      Mounts: [
        ...(ociSpec("/", []).Mounts ?? []),
        { destination: "/data", source: mount_point, type: "bind", options: ["rbind", "rw"] },
      ],
    }),
  });
  await agent.startContainer({ container_id: id });
  const read = () => pod.execute(id, ["dd", "if=/data/rootfs/which", "bs=4096", "iflag=direct"]);
  expect(String((await read()).stdout)).toBe("torn\n");
  await unplug("torn");
  const { stdout, stderr, status } = await read();
  expect([String(stdout), String(stderr), status]).toEqual(["", expect.stringContaining("Input/output error"), 1]);
  expect((await pod.execute(id, ["echo", "on"])).stdout.toString()).toBe("on\n");
  expect((await pod.run(["echo", "on"])).stdout.toString()).toBe("on\n");
  await pod.remove(id);
  expect(await machine.shell("grep torn /proc/mounts || echo none")).toBe("none\n");
  await plug("next", onBridge("3"));
  expect(await rootedIn("blk", `${BRIDGE}/03`)).toMatch(/^next\n/);
});

test("persistent memory is found by its name", async () => {
  const path = await makeDiskImage(directory, "memory", 128);
  const size = 128 * 2 ** 20;
  await qmp.execute("object-add", { "qom-type": "memory-backend-file", id: "pm", "mem-path": path, size, share: true });
  await qmp.execute("device_add", { driver: "nvdimm", id: "memory", memdev: "pm" });
  expect(await rootedIn("nvdimm", "/dev/pmem1")).toMatch(/^memory\n\/dev\/pmem1 \/ ext4/);
});

test("virtio persistent memory is found by its name", async () => {
  const path = await makeDiskImage(directory, "virtio-memory", 128);
  const size = 128 * 2 ** 20;
  await qmp.execute("object-add", {
    "qom-type": "memory-backend-file",
    id: "vpm",
    "mem-path": path,
    size,
    share: true,
  });
  await qmp.execute("device_add", { driver: "virtio-pmem-pci", id: "virtio-memory", memdev: "vpm", bus: "port0" });
  expect(await rootedIn("nvdimm", "/dev/pmem2")).toMatch(/^virtio-memory\n\/dev\/pmem2 \/ ext4/);
  expect(await machine.shell("readlink -f /sys/block/pmem2/device")).toMatch(/\/virtio\d+\/ndbus\d+\//);
});

const DENY_ALL = { Allow: false, Type: "a", Access: "rwm" };
const allow = (Type: string, Major: number, Minor: number, Access: string) => ({
  ...{ Allow: true, Type, Major, Minor, Access },
});

/** Starts a container with the disk as /dev/volume, described as the host sees it. */
async function startWithVolume(
  device: { type: string; id?: string; vm_path?: string },
  args: readonly string[],
  Devices: readonly object[],
): Promise<string> {
  const id = `volume${++count}`;
  const onHost = { Path: "/dev/volume", Type: "b", Major: 8, Minor: 0, FileMode: 0o640, GID: 6 };
  await pod.client.agent.createContainer({
    container_id: id,
    devices: [{ ...device, container_path: "/dev/volume" }],
    OCI: ociSpec(machine.rootfs(id), args, {
      Linux: { ...ociSpec("/", []).Linux, Devices: [onHost], Resources: { Devices } },
    }),
  });
  await pod.client.agent.startContainer({ container_id: id });
  return id;
}

test.each([
  ["blk", { type: "blk", id: `${BRIDGE}/05` }],
  ["blk (by its name)", { type: "blk", vm_path: "/dev/vdc" }],
  ["scsi", { type: "scsi", id: "3:1" }],
  ["nvdimm", { type: "nvdimm", vm_path: "/dev/pmem1" }],
  ["nvdimm (of virtio-pmem)", { type: "nvdimm", vm_path: "/dev/pmem2" }],
])("a container gets a %s disk with the guest's numbers and the access of the host's rule", async (_, device) => {
  // Bytes 1080 and 1081 of an ext4 are its magic number.
  const line = "stat -c '%a %g' /dev/volume; dd if=/dev/volume bs=1 skip=1080 count=2 | od -x; echo x > /dev/volume";
  const id = await startWithVolume(device, ["sh", "-c", line], [DENY_ALL, allow("b", 8, 0, "r")]);
  const { stdout, stderr } = await pod.finish(id, id);
  await pod.remove(id);
  const said = `${stdout}${stderr}`;
  expect(said).toMatch(/^640 6\n0000000 ef53\n/);
  expect(said).toContain("can't create /dev/volume: Operation not permitted");
});

test("a container keeps its disk after updates with the host's numbers, which the next agent knows too", async () => {
  const container_id = await startWithVolume({ type: "blk", id: `${BRIDGE}/05` }, ["sleep", "1000"], []);
  const update = (...Devices: object[]) =>
    pod.client.agent.updateContainer({ container_id, resources: { Devices: [DENY_ALL, ...Devices] } });
  const uses = async () => {
    const open = (how: string) => pod.execute(container_id, ["sh", "-c", `: ${how} /dev/volume`]);
    return [(await open("<")).status, (await open(">>")).status];
  };
  expect(await uses()).toEqual([0, 0]);
  await update(allow("c", 10, 77, "rwm"));
  expect(await uses()).toEqual([0, 0]);
  await update(allow("b", 8, 0, "r"));
  expect(await uses()).toEqual([0, 1]);
  await machine.killAgent();
  pod.client.close();
  pod = await Pod.open(machine);
  await update(allow("b", 8, 0, "w"));
  expect(await uses()).toEqual([1, 0]);
  await update(allow("c", 10, 77, "rwm"));
  expect(await uses()).toEqual([0, 0]);
  await pod.remove(container_id);
});

test("a device that the spec lacks is refused", async () => {
  const create = pod.client.agent.createContainer({
    container_id: "none",
    devices: [{ type: "blk", id: `${BRIDGE}/05`, container_path: "/dev/other" }],
    OCI: ociSpec(machine.rootfs("none"), ["true"]),
  });
  await expect(create).rejects.toThrow('device "/dev/other": linux.devices of the OCI spec has none of that path');
});

test("a missing device is reported with a list of those that exist", async () => {
  await expect(rootedIn("blk", `${BRIDGE}/1f`)).rejects.toThrow(
    /^disk at PCI path 14\/1f: still missing after 3000 ms; PCI devices present: 0000:00:00\.0, .*; disks present: pmem0, .*vda/,
  );
});

test("plugged-in memory comes online by itself", async () => {
  const total = async () => Number(/MemTotal: +(\d+)/.exec(await machine.shell("cat /proc/meminfo"))?.[1]);
  const before = await total();
  await qmp.execute("object-add", { "qom-type": "memory-backend-memfd", id: "more", size: 128 * 2 ** 20, share: true });
  await qmp.execute("device_add", { driver: "pc-dimm", id: "dimm", memdev: "more" });
  for (let tries = 0; (await total()) < before + 100_000 && tries < 20; tries++) await sleep(100);
  expect((await total()) - before).toBeGreaterThan(100_000);
});
