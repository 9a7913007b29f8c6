import { expect, test } from "vitest";
import { Devices } from "./devices.ts";
import { TestTree, ueventMessage } from "./testing/test-tree.ts";
import { Uevents } from "./uevents.ts";

const BLOCK = ueventMessage("add", "/devices/x/block/vda", "block");

/** A tree with a bridge in slot 2. */
function machine(timeoutMs = 50_000) {
  const tree = new TestTree();
  tree.pci("0000:00:02.0", "0000:01");
  const uevents = new Uevents();
  return { tree, uevents, devices: new Devices({ uevents, timeoutMs, sysfs: tree }) };
}

/** Resolves after this number of writes. */
function writes(tree: TestTree, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { write } = tree;
  let left = count;
  tree.write = (path, text) =>
    write(path, text).finally(() => {
      if (--left === 0) resolve();
    });
  return promise;
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

test("a disk that came before the agent is found without an event", async () => {
  const { tree, devices } = machine();
  tree.disk(`${tree.pci("0000:01:01.0")}/virtio3`, "vdb", "254:16");
  expect(await devices.disk("blk", "02/01")).toEqual({ path: "/dev/vdb", type: "b", major: 254, minor: 16 });
});

test("a plugged-in disk is found by its event, in the right slot", async () => {
  const { tree, uevents, devices } = machine();
  const rescanned = writes(tree, 1);
  const found = devices.disk("blk", "02/1.0");
  let settled = false;
  void found.then(() => (settled = true));
  tree.disk(`${tree.pci("0000:01:02.0")}/virtio3`, "vda", "254:0");
  uevents.take(BLOCK);
  tree.disk(`${tree.pci("0000:01:01.0")}/virtio4`, "vdb", "254:16", false);
  uevents.take(BLOCK);
  await rescanned;
  await pause();
  tree.file("/dev/vdb"); // the node appears after the directory in sysfs
  uevents.take(ueventMessage("add", "/devices/x/net/eth0", "net"));
  uevents.take(ueventMessage("remove", "/devices/x/block/vda", "block"));
  await pause();
  expect(settled).toBe(false);
  uevents.take(BLOCK);
  expect((await found).path).toBe("/dev/vdb");
});

test("lost events cause a new look", async () => {
  const { tree, uevents, devices } = machine();
  const found = devices.disk("mmioblk", "/dev/vda");
  tree.disk("/sys/devices/platform/virtio-mmio.0/virtio0", "vda", "254:0");
  uevents.take(undefined);
  expect((await found).minor).toBe(0);
});

test("the bus is rescanned for a device that is missing at first", async () => {
  const { tree, devices } = machine(50);
  tree.file("/sys/bus/pci/rescan");
  const rescanned = writes(tree, 1);
  await expect(devices.disk("blk", "03")).rejects.toThrow();
  await rescanned;
  expect(tree.readText("/sys/bus/pci/rescan")).toBe("1");
});

test("a SCSI disk is found by ID and LUN, on a virtio controller first, and all controllers are scanned", async () => {
  const { tree, devices } = machine(50);
  tree.scsiHost(0, "ahci");
  tree.scsiHost(1, "virtio_scsi");
  tree.unit("0:0:1:2", "sda", "8:0");
  tree.unit("1:0:1:2", "sdb", "8:16");
  tree.unit("0:0:7:0", "sdc", "8:32");
  const scanned = writes(tree, 2);
  expect((await devices.disk("scsi", "1:2")).path).toBe("/dev/sdb");
  expect((await devices.disk("scsi", "7:0")).path).toBe("/dev/sdc");
  await expect(devices.disk("scsi", "1:12")).rejects.toThrow(
    "disk at SCSI address 1:12: still missing after 50 ms; SCSI devices present: 0:0:1:2, 0:0:7:0, 1:0:1:2; " +
      "disks present: sda, sdb, sdc",
  );
  await scanned;
  for (const host of ["host0", "host1"]) expect(tree.readText(`/sys/class/scsi_host/${host}/scan`)).toBe("0 1 12");
});

test.each([
  [
    "blk",
    "02/01",
    "disk at PCI path 02/01: still missing after 20 ms; PCI devices present: 0000:00:02.0, 0000:00:04.0; disks",
  ],
  ["blk", "04", "the device there, /sys/bus/pci/devices/0000:00:04.0, has no virtio disk; disks present: pmem0"],
  ["blk", "/dev/vdz", "disk /dev/vdz: still missing after 20 ms; disks present: pmem0"],
  ["nvdimm", "/dev/pmem1", "disk /dev/pmem1: still missing after 20 ms; disks present: pmem0"],
  ["nvdimm", "0x140000000", "persistent memory at 0x140000000: still missing after 20 ms; regions present: region0"],
  ["scsi", "0:0", "there is no SCSI controller; disks present: pmem0"],
] as const)("a missing disk is reported with what is present: %s %s", async (kind, address, message) => {
  const { tree, devices } = machine(20);
  tree.pci("0000:00:04.0");
  tree.region("region0", "0x100000000");
  tree.disk("/sys/devices/ndbus0/region0/namespace0.0", "pmem0", "259:0");
  await expect(devices.disk(kind, address)).rejects.toThrow(message);
});

test("persistent memory is found by the address of its region, whatever the kernel calls its disk", async () => {
  const { tree, uevents, devices } = machine();
  tree.region("region0", "0x100000000");
  tree.disk("/sys/devices/ndbus0/region0/pfn0.1", "pmem1", "259:0");
  const found = devices.disk("nvdimm", "0x1c0000000");
  tree.region("region1", "0x1c0000000");
  tree.file("/sys/devices/ndbus0/region1/namespace1.0/size", "1");
  uevents.take(BLOCK);
  tree.disk("/sys/devices/ndbus0/region1/pfn1.1", "pmem0", "259:1");
  uevents.take(BLOCK);
  expect((await found).path).toBe("/dev/pmem0");
});

test.each([
  ["blk", "../../etc", 'PCI path "../../etc"'],
  ["blk", "", 'PCI path ""'],
  ["blk", "/dev/../etc/passwd", "is not /dev/NAME"],
  ["nvdimm", "/dev/", "is not /dev/NAME"],
  ["nvdimm", "pmem0", "is not /dev/NAME"],
  ["nvdimm", "0x10000000000000000", "is not /dev/NAME"],
  ["nvdimm", "0x1/../2", "is not /dev/NAME"],
  ["scsi", "1:2:3", "is not ID:LUN in decimal"],
  ["scsi", "0x1:2", "is not ID:LUN in decimal"],
] as const)("an address that none can have is refused at once: %s %j", async (kind, address, message) => {
  await expect(machine().devices.disk(kind, address)).rejects.toMatchObject({
    kind: "invalid-argument",
    message: expect.stringContaining(message),
  });
});

test("a network device is found by its event, below a virtio device or on the function itself", async () => {
  const { tree, uevents, devices } = machine();
  const found = devices.netDevice("02/00");
  tree.file(`${tree.pci("0000:01:00.0")}/virtio3/net/eth1/address`);
  tree.file(`${tree.pci("0000:01:01.0")}/net/eth2/address`);
  uevents.take(ueventMessage("add", "/devices/x/net/eth1", "net"));
  expect(await found).toBe("eth1");
  expect(await devices.netDevice("02/01")).toBe("eth2");
});

test("a missing network device is reported with the devices that are present", async () => {
  await expect(machine(20).devices.netDevice("02/00")).rejects.toThrow(
    "network device at PCI path 02/00: still missing after 20 ms; PCI devices present: 0000:00:02.0",
  );
});

test("waiting ends when the signal aborts", async () => {
  const { devices } = machine();
  const stop = new AbortController();
  const waiting = devices.disk("blk", "02", stop.signal);
  stop.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await expect(devices.disk("blk", "02", stop.signal)).rejects.toThrow("enough");
});
