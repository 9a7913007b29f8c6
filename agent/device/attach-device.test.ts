import { expect, test } from "vitest";
import type { DeviceRequest } from "./attach-device.ts";
import { Devices } from "./devices.ts";
import { TestTree } from "./testing/test-tree.ts";

const request = (parts: Partial<DeviceRequest>): DeviceRequest => ({
  ...{ type: "blk", id: "", vmPath: "", containerPath: "/dev/x", options: [] },
  ...parts,
});

const DEVICES = "/sys/bus/pci/devices";

function machine() {
  const tree = new TestTree();
  return { tree, devices: new Devices({ timeoutMs: 20, sysfs: tree }) };
}

test.each([
  ["blk by its PCI path", { type: "blk", id: "02", vmPath: "/dev/vdz" }, "vda"],
  ["blk by its name", { type: "blk", vmPath: "/dev/vda" }, "vda"],
  ["mmioblk", { type: "mmioblk", id: "whatever", vmPath: "/dev/vda" }, "vda"],
  ["nvdimm", { type: "nvdimm", vmPath: "/dev/pmem1" }, "pmem1"],
  ["scsi", { type: "scsi", id: "0:3" }, "sda"],
])("%s gives a container its node", async (_, parts, name) => {
  const { tree, devices } = machine();
  tree.disk(`${tree.pci("0000:00:02.0")}/virtio0`, "vda", "254:0");
  tree.disk("/sys/devices/ndbus0", "pmem1", "259:1");
  tree.scsiHost(0, "virtio_scsi");
  tree.unit("0:0:0:3", "sda", "8:0");
  expect(await devices.attach([request(parts)])).toMatchObject([
    { containerPath: "/dev/x", node: { path: `/dev/${name}` } },
  ]);
});

test("a function that a guest driver keeps only gets another address", async () => {
  const { tree, devices } = machine();
  tree.pci("0000:00:05.0");
  const options = ["0000:3B:00.1=05"];
  expect(await devices.attach([request({ type: "vfio-pci-gk", id: "x", options })])).toEqual([
    { containerPath: "/dev/x", pci: { "0000:3b:00.1": "0000:00:05.0" }, beside: [] },
  ]);
});

/** A function in a group. `drivers_probe` binds it to `drivers`: the tree itself does nothing. */
function vfioFunction(tree: TestTree, address: string, group: string, driver: string): void {
  tree.pci(address);
  tree.file(`/sys/kernel/iommu_groups/${group}/name`);
  tree.link(`${DEVICES}/${address}/iommu_group`, `/sys/kernel/iommu_groups/${group}`);
  tree.file(`/sys/bus/pci/drivers/${driver}/unbind`);
  tree.link(`${DEVICES}/${address}/driver`, `/sys/bus/pci/drivers/${driver}`);
}

test("a function bound to vfio-pci is passed as the node of its group", async () => {
  const { tree, devices } = machine();
  vfioFunction(tree, "0000:00:05.0", "3", "vfio-pci");
  tree.file("/sys/class/vfio/3/dev", "240:0\n");
  tree.file("/dev/vfio/3");
  const options = ["3b:00.1=05"];
  expect(await devices.attach([request({ type: "vfio-pci", id: "x", options })])).toEqual([
    {
      containerPath: "/dev/x",
      node: { path: "/dev/vfio/3", type: "c", major: 240, minor: 0 },
      ownPath: true,
      pci: { "0000:3b:00.1": "0000:00:05.0" },
      beside: [],
    },
  ]);
});

const asked = request({ type: "vfio-pci", id: "x", options: ["3b:00.1=05"] });

test("a function is taken from another driver, and given back if vfio-pci doesn't accept it", async () => {
  const { tree, devices } = machine();
  vfioFunction(tree, "0000:00:05.0", "3", "e1000e");
  tree.file("/sys/bus/pci/drivers/vfio-pci/bind");
  const wrote: string[] = [];
  const write = tree.write;
  tree.write = (path, text) => {
    wrote.push(`${path.slice("/sys/bus/pci/".length)} ${text}`);
    return write(path, text);
  };
  await expect(devices.attach([asked])).rejects.toThrow(
    "VFIO device 0000:00:05.0: can't bind it to vfio-pci: the driver did not",
  );
  const steps = (override: string) => [
    `devices/0000:00:05.0/driver_override ${override}`,
    "devices/0000:00:05.0/driver/unbind 0000:00:05.0",
    "drivers_probe 0000:00:05.0",
  ];
  expect(wrote).toEqual([...steps("vfio-pci"), ...steps("\n")]);
});

test("no function is taken from its driver if the kernel lacks vfio-pci or there are two groups", async () => {
  const { tree, devices } = machine();
  vfioFunction(tree, "0000:00:05.0", "3", "e1000e");
  vfioFunction(tree, "0000:00:06.0", "4", "e1000e");
  await expect(devices.attach([asked])).rejects.toThrow(
    "VFIO device 0000:00:05.0: this kernel has no driver vfio-pci; kernel_modules of CreateSandbox can load vfio_pci",
  );
  const both = devices.attach([{ ...asked, options: ["3b:00.1=05", "3b:00.2=06"] }]);
  await expect(both).rejects.toThrow("VFIO device /dev/x: its functions are in different IOMMU groups: 3, 4");
  for (const address of ["0000:00:05.0", "0000:00:06.0"])
    expect(tree.exists(`${DEVICES}/${address}/driver_override`)).toBe(false);
});

test("a function without an IOMMU group is refused", async () => {
  const { tree, devices } = machine();
  tree.pci("0000:00:05.0");
  await expect(devices.attach([asked])).rejects.toThrow("VFIO device 0000:00:05.0: it is in no IOMMU group; the guest");
});

test("InfiniBand nodes come with a VFIO device", async () => {
  const { tree, devices } = machine();
  tree.pci("0000:00:05.0");
  const nodes = [
    ["infiniband_verbs", "uverbs0", "231:192", 0o644],
    ["infiniband_mad", "umad0", "231:0", 0o600],
    ["misc", "rdma_cm", "10:58", 0o644],
  ] as const;
  for (const [kind, name, numbers] of nodes) tree.file(`/sys/class/${kind}/${name}/dev`, `${numbers}\n`);
  for (const [, name, , mode] of nodes) tree.file(`/dev/infiniband/${name}`, "", mode);
  tree.file("/dev/infiniband/by-path/x");
  const [attached] = await devices.attach([{ ...asked, type: "vfio-pci-gk" }]);
  expect(attached?.beside).toEqual([
    { path: "/dev/infiniband/rdma_cm", type: "c", major: 10, minor: 58, mode: 0o644 },
    { path: "/dev/infiniband/umad0", type: "c", major: 231, minor: 0, mode: 0o600 },
    { path: "/dev/infiniband/uverbs0", type: "c", major: 231, minor: 192, mode: 0o644 },
  ]);
});

test.each([
  ["no type", { type: "", id: "02" }, 'device "/dev/x": it has no type'],
  ["no name", {}, 'device "/dev/x": it has neither an id nor a vm_path'],
  ["no path", { id: "02", containerPath: "" }, 'device "": the container path is not absolute'],
  ["an unknown type", { type: "floppy", id: "0" }, 'device type "floppy" is unknown; supported: blk, mmioblk,'],
  ["a bad option", { type: "vfio-pci", id: "x", options: ["05"] }, '"05" is not HOST-ADDRESS=PCI-PATH'],
  ["no function", { type: "vfio-pci", id: "x" }, "VFIO device /dev/x: it names no function"],
])("a request with %s is refused", async (_, parts, message) => {
  const { devices } = machine();
  await expect((async () => devices.attach([request(parts)]))()).rejects.toMatchObject({
    kind: "invalid-argument",
    message: expect.stringContaining(message),
  });
});
