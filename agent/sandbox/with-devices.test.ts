import { expect, test } from "vitest";
import { allowsAll, deviceRules } from "../container/cgroup/device-rules.ts";
import { withPrivilegedDevices } from "../container/cgroup/privileged-devices.ts";
import type { DeviceCgroupSpec } from "../container/cgroup/resources-spec.ts";
import type { DeviceSpec, Spec } from "../container/spec.ts";
import { testSpec } from "../container/testing/test-spec.ts";
import type { AttachedDevice } from "../device/attach-device.ts";
import { guestDevices, pciOf, withDevices } from "./with-devices.ts";

const host = (path: string, major: number, minor: number): DeviceSpec => ({
  ...{ path, type: "b", major, minor },
  ...{ mode: 0o660, uid: 7, gid: 8 },
});
const rule = (type: string, major?: number, minor?: number, access = "r"): DeviceCgroupSpec => ({
  ...{ allow: true, type, access },
  major,
  minor,
});
const attached = (containerPath: string, name: string, major: number, minor: number): AttachedDevice => ({
  containerPath,
  node: { path: `/dev/${name}`, type: "b", major, minor },
  pci: {},
});

function spec(devices: readonly DeviceSpec[], rules: readonly DeviceCgroupSpec[], env: readonly string[] = []): Spec {
  const plain = testSpec();
  const linux = { ...plain.linux, devices, resources: { ...plain.linux.resources, devices: rules } };
  return { ...plain, linux, process: { ...plain.process, env } };
}

test("a device keeps its path, mode and owner, and gets the guest's numbers", () => {
  const { linux } = withDevices(spec([host("/dev/x", 8, 0)], []), [attached("/dev/x", "vdb", 254, 16)]);
  expect(linux.devices).toEqual([host("/dev/x", 254, 16)]);
  expect(linux.resources.devices).toEqual([rule("b", 254, 16, "rwm")]);
});

test("a privileged container may use all other devices, too", () => {
  const { process, ...given } = spec([host("/dev/x", 8, 0)], []);
  const { capabilities } = process;
  const bounding = ["CAP_SYS_ADMIN"];
  const privileged = {
    ...given,
    process: { ...process, ...(capabilities && { capabilities: { ...capabilities, bounding } }) },
  };
  const { linux } = withDevices(withPrivilegedDevices(privileged), [attached("/dev/x", "vdb", 254, 16)]);
  expect(allowsAll(deviceRules(linux))).toBe(true);
});

test("two disks whose numbers are swapped are not mixed up", () => {
  const devices = [host("/dev/x", 8, 0), host("/dev/y", 8, 16)];
  const rules = [rule("b", 8, 0, "r"), rule("b", 8, 16, "w")];
  const { linux } = withDevices(spec(devices, rules), [
    attached("/dev/y", "sda", 8, 0),
    attached("/dev/x", "sdb", 8, 16),
  ]);
  expect(linux.devices).toEqual([host("/dev/x", 8, 16), host("/dev/y", 8, 0)]);
  expect(linux.resources.devices).toEqual([rule("b", 8, 16, "r"), rule("b", 8, 0, "w")]);
});

test("devices keep the host's numbers for later rules, unless the host doesn't know them", () => {
  const beside = [{ path: "/dev/infiniband/umad0", type: "c", major: 231, minor: 0, mode: 0o600 }] as const;
  const disk = { ...attached("/dev/x", "vdb", 254, 16), beside };
  expect(guestDevices(spec([host("/dev/x", 8, 0)], []), [disk])).toEqual([
    { type: "b", major: 254, minor: 16, access: "rwm", host: { type: "b", major: 8, minor: 0 } },
    { type: "c", major: 231, minor: 0, access: "rwm" },
  ]);
});

test("rules for other devices, for all devices and for other types stay", () => {
  const rules = [rule("a"), rule("b", 8), rule("c", 8, 0), rule("b", 9, 0)];
  const { linux } = withDevices(spec([host("/dev/x", 8, 0)], rules), [attached("/dev/x", "vda", 254, 0)]);
  expect(linux.resources.devices).toEqual([...rules, rule("b", 254, 0, "rwm")]);
});

test("a VFIO group has its own path, and the environment gets the guest's PCI addresses", () => {
  const device: AttachedDevice = {
    containerPath: "/dev/vfio/70",
    node: { path: "/dev/vfio/3", type: "c", major: 240, minor: 0 },
    ownPath: true,
    pci: { "0000:3b:00.1": "0000:01:01.0", "0000:3b:00.2": "0000:01:02.0" },
  };
  const env = [
    "PCIDEVICE_VENDOR_NIC=0000:3b:00.1,0000:3B:00.2,0000:af:00.0",
    'PCIDEVICE_VENDOR_NIC_INFO={"0000:3b:00.2":{"generic":{"deviceID":"0000:3b:00.2"}}}',
    "OTHER=0000:3b:00.1",
  ];
  const given = { ...host("/dev/vfio/70", 511, 4), type: "c" };
  const { linux, process } = withDevices(spec([given], [], env), [device]);
  expect(linux.devices).toEqual([{ ...given, path: "/dev/vfio/3", major: 240, minor: 0 }]);
  expect(process.env).toEqual([
    "PCIDEVICE_VENDOR_NIC=0000:01:01.0,0000:01:02.0,0000:af:00.0",
    'PCIDEVICE_VENDOR_NIC_INFO={"0000:01:02.0":{"generic":{"deviceID":"0000:01:02.0"}}}',
    "OTHER=0000:3b:00.1",
  ]);
  expect(pciOf([device, { containerPath: "/x", pci: { a: "b" } }])).toEqual({ ...device.pci, a: "b" });
});

test("each companion node is added once with a rule; one in the spec gets the guest's numbers", () => {
  const node = (name: string, minor: number) =>
    ({ path: `/dev/infiniband/${name}`, type: "c", major: 231, minor, mode: 0o600 }) as const;
  const function_ = (containerPath: string): AttachedDevice => ({
    ...{ containerPath, pci: {} },
    beside: [node("uverbs0", 192), node("umad0", 0)],
  });
  const listed = { ...host("/dev/infiniband/uverbs0", 510, 3), type: "c" };
  const rules = [rule("c", 510, 3, "rw"), rule("c", 231, 0, "r")];
  const { linux } = withDevices(spec([listed], rules), [function_("/dev/x"), function_("/dev/y")]);
  expect(linux.devices).toEqual([
    { ...listed, major: 231, minor: 192 },
    { ...node("umad0", 0), uid: 0, gid: 0 },
  ]);
  expect(linux.resources.devices).toEqual([
    rule("c", 231, 192, "rw"),
    rule("c", 231, 0, "r"),
    rule("c", 231, 0, "rwm"),
  ]);
});

test("a spec without attached devices stays the same", () => {
  const plain = spec([], []);
  expect(withDevices(plain, [])).toBe(plain);
});

test.each([
  [
    "one that the spec has not",
    [attached("/dev/y", "vda", 254, 0)],
    "linux.devices of the OCI spec has none of that path",
  ],
  [
    "one that is given twice",
    [attached("/dev/x", "vda", 254, 0), attached("/dev/x", "vdb", 254, 16)],
    "it is given twice",
  ],
])("%s is refused", (_, devices, why) => {
  expect(() => withDevices(spec([host("/dev/x", 8, 0)], []), devices)).toThrow(why);
});
