import { expect, test } from "vitest";
import type { DeviceRequest } from "./attach-device.ts";
import { Devices } from "./devices.ts";
import { TestTree } from "./test-tree.ts";

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

test("a function that a driver of the guest keeps only has another address", async () => {
  const { tree, devices } = machine();
  tree.pci("0000:00:05.0");
  const options = ["0000:3B:00.1=05"];
  expect(await devices.attach([request({ type: "vfio-pci-gk", id: "x", options })])).toEqual([
    { containerPath: "/dev/x", pci: { "0000:3b:00.1": "0000:00:05.0" } },
  ]);
});

/** A function in a group; its driver is what `drivers_probe` finds: the tree itself does nothing. */
function vfioFunction(tree: TestTree, address: string, group: string, driver: string): void {
  tree.pci(address);
  tree.file(`/sys/kernel/iommu_groups/${group}/name`);
  tree.link(`${DEVICES}/${address}/iommu_group`, `/sys/kernel/iommu_groups/${group}`);
  tree.file(`/sys/bus/pci/drivers/${driver}/unbind`);
  tree.link(`${DEVICES}/${address}/driver`, `/sys/bus/pci/drivers/${driver}`);
}

test("a function that vfio-pci has is given by the node of its group", async () => {
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
    },
  ]);
});

test("one that another driver has is taken from it; no vfio-pci in the kernel is told", async () => {
  const { tree, devices } = machine();
  vfioFunction(tree, "0000:00:05.0", "3", "e1000e");
  const waiting = devices.attach([request({ type: "vfio-pci", id: "x", options: ["3b:00.1=05"] })]);
  await expect(waiting).rejects.toThrow("VFIO device 0000:00:05.0: no driver vfio-pci in this kernel took it");
  expect(tree.readText(`${DEVICES}/0000:00:05.0/driver_override`)).toBe("vfio-pci");
  expect(tree.readText("/sys/bus/pci/drivers/e1000e/unbind")).toBe("0000:00:05.0");
  expect(tree.readText("/sys/bus/pci/drivers_probe")).toBe("0000:00:05.0");
});

test.each([
  ["no type", { type: "", id: "02" }, 'device "/dev/x": it has no type'],
  ["no name", {}, 'device "/dev/x": it has neither an id nor a vm_path'],
  ["no path", { id: "02", containerPath: "" }, 'device "": that is no absolute path'],
  ["an unknown type", { type: "floppy", id: "0" }, 'device type "floppy" is not known; known are blk, mmioblk,'],
  ["a bad option", { type: "vfio-pci", id: "x", options: ["05"] }, '"05" is not HOST-ADDRESS=PCI-PATH'],
  ["no function", { type: "vfio-pci", id: "x" }, "VFIO device /dev/x: it names no function"],
])("%s is refused", async (_, parts, message) => {
  const { devices } = machine();
  await expect((async () => devices.attach([request(parts)]))()).rejects.toMatchObject({
    kind: "invalid-argument",
    message: expect.stringContaining(message),
  });
});
