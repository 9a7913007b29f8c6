import { expect, test } from "vitest";
import { cloneConfig } from "./clone-config.ts";
import { CONFIG } from "./testing/cloud-hypervisor-model.ts";

const OWN = { vsock: "/vm/1/v.sock", taps: { _net2: "tap1" }, disks: { _disk1: "/vm/1/scratch.img" } };

test("gives the clone its own vsock socket, taps, writable disks and console files, and nothing else", () => {
  expect(cloneConfig(CONFIG, "/vm/1/snapshot", OWN)).toEqual({
    ...CONFIG,
    vsock: { ...CONFIG.vsock, socket: "/vm/1/v.sock" },
    net: [{ ...CONFIG.net[0], tap: "tap1" }],
    disks: [CONFIG.disks[0], { ...CONFIG.disks[1], path: "/vm/1/scratch.img" }],
    serial: { ...CONFIG.serial, file: "/vm/1/snapshot/serial.log" },
  });
});

test("moves sockets of consoles, and keeps a tap that Cloud Hypervisor names itself", () => {
  const config = { ...CONFIG, console: { mode: "Socket", socket: "/vm/c.sock" }, net: [{ id: "_net2", tap: null }] };
  const clone = cloneConfig(config, "/vm/1/snapshot", OWN);
  expect(clone["console"]).toEqual({ mode: "Socket", socket: "/vm/1/snapshot/console.sock" });
  expect(cloneConfig(config, "/s", { ...OWN, taps: {} })["net"]).toEqual([{ id: "_net2", tap: null }]);
});

test("shares a pmem device that discards writes, and no other", () => {
  const pmem = [{ id: "_pmem4", file: "/cache/image", discard_writes: true }];
  expect(cloneConfig({ ...CONFIG, pmem }, "/s", OWN)["pmem"]).toEqual(pmem);
  expect(() => cloneConfig({ ...CONFIG, pmem: [{ id: "_pmem4", file: "/cache/image" }] }, "/s", OWN)).toThrow(
    "disk _pmem4 (/cache/image) is writable; name the clone's copy in disks, or make it discard_writes",
  );
});

const DEVICE = { id: "_x9" };

test.each([
  [[], "config.json is not an object; take the template again"],
  [
    { ...CONFIG, vsock: null },
    "the template has no vsock device, so its agent can't be reached; start it with --vsock",
  ],
  [{ ...CONFIG, fs: [DEVICE] }, "the template has a virtio-fs share; give its containers roots on disks"],
  [{ ...CONFIG, devices: [DEVICE] }, "the template has a VFIO device; take the template without it"],
  [{ ...CONFIG, user_devices: [DEVICE] }, "the template has a vfio-user device; take the template without it"],
  [{ ...CONFIG, vdpa: [DEVICE] }, "the template has a vDPA device; take the template without it"],
  [{ ...CONFIG, generic_vhost_user: [DEVICE] }, "the template has a vhost-user device; take the template without it"],
  [
    { ...CONFIG, tpm: { socket: "/t" } },
    "the template has a TPM, whose state is in another process; take the template without it",
  ],
  [
    { ...CONFIG, memory: { size: 1, zones: [{ id: "m0", size: 1, file: "/dev/shm/m" }] } },
    "memory zone m0 is the file /dev/shm/m; leave file out of --memory-zone",
  ],
  [
    { ...CONFIG, net: [{ ...DEVICE, tap: "tap0" }] },
    "network device _x9 uses the template's tap tap0; name the clone's in taps",
  ],
  [
    { ...CONFIG, net: [{ ...DEVICE, fds: [26] }] },
    "network device _x9 was passed as descriptors; name its tap device instead",
  ],
  [{ ...CONFIG, net: [{ ...DEVICE, vhost_user: true }] }, "network device _x9 is vhost-user; use a tap device"],
  [{ ...CONFIG, disks: [{ ...DEVICE, vhost_user: true }] }, "disk _x9 is vhost-user; use a file"],
  [
    { ...CONFIG, disks: [{ ...DEVICE, path: "/d", readonly: false }] },
    "disk _x9 (/d) is writable; name the clone's copy in disks, or make it readonly",
  ],
])("refuses what a clone can't have: %j", (config, why) => {
  expect(() => cloneConfig(config, "/s", OWN)).toThrow(`clone of a Cloud Hypervisor snapshot: ${why}`);
});
