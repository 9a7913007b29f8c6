import { expect, test } from "vitest";
import { Devices } from "./devices.ts";
import { TestTree, ueventMessage } from "./testing/test-tree.ts";
import { Uevents } from "./uevents.ts";

const DISK = "/sys/devices/virtio0";

function machine(timeoutMs = 50_000) {
  const tree = new TestTree();
  tree.disk(DISK, "vdb", "254:16");
  const uevents = new Uevents();
  return { tree, uevents, devices: new Devices({ uevents, timeoutMs, sysfs: tree }) };
}

test("a partition is found by its number, whatever its name", async () => {
  const { tree, devices } = machine();
  tree.partition(DISK, "vdb", 1, "254:17");
  tree.partition(DISK, "vdb", 11, "254:27");
  expect(await devices.partition("/dev/vdb", 11)).toEqual({ path: "/dev/vdb11", type: "b", major: 254, minor: 27 });
});

test("a partition that the kernel has not read yet is waited for", async () => {
  const { tree, uevents, devices } = machine();
  const found = devices.partition("/dev/vdb", 2);
  tree.partition(DISK, "vdb", 2, "254:18");
  uevents.take(ueventMessage("add", "/devices/virtio0/block/vdb/vdb2", "block"));
  expect((await found).path).toBe("/dev/vdb2");
});

test("a missing partition is reported with the partitions that are present", async () => {
  const { tree, devices } = machine(20);
  tree.partition(DISK, "vdb", 1, "254:17");
  await expect(devices.partition("/dev/vdb", 2)).rejects.toThrow(
    "partition 2 of /dev/vdb: still missing after 20 ms; partitions present: vdb1",
  );
});
