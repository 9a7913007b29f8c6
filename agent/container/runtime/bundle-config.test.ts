import { expect, test } from "vitest";
import { testSpec } from "../testing/test-spec.ts";
import { bundleConfig, processJson, withDeviceRules } from "./bundle-config.ts";

const config = (spec: ReturnType<typeof testSpec>) => JSON.parse(bundleConfig(spec, "/pod/c1"));

test("copies every field of the spec under its own name, including unknown ones", () => {
  const spec = {
    ...testSpec(),
    vm: { newer: true },
    hooks: { prestart: [{ path: "/hook", args: [], env: [], timeout: 1 }] },
  };
  const made = config(spec);
  expect(made).toMatchObject({
    ociVersion: "1.0.2",
    vm: { newer: true },
    hooks: { prestart: [{ path: "/hook" }] },
    root: spec.root,
    mounts: spec.mounts,
    process: { args: spec.process.args, cwd: spec.process.cwd, user: spec.process.user },
    linux: { cgroupsPath: "/pod/c1", maskedPaths: spec.linux.maskedPaths },
  });
  expect(made.unsupported).toBeUndefined();
});

test("keeps limits exact to 64 bits", () => {
  const { process } = testSpec();
  const rlimits = [{ type: "rlimit_nofile", soft: 2n ** 64n - 1n, hard: 2n ** 63n + 1n }];
  expect(processJson({ ...process, rlimits })).toContain(
    '"rlimits":[{"type":"RLIMIT_NOFILE","soft":18446744073709551615,"hard":9223372036854775809}]',
  );
});

test("writes arguments of seccomp rules as 64-bit numbers", () => {
  const spec = testSpec();
  const args = [{ index: 1, value: String(2n ** 64n - 1n), valueTwo: "0", op: "SCMP_CMP_EQ" }];
  const syscalls = [{ names: ["socket"], action: "SCMP_ACT_ERRNO", errnoRet: 1, args }];
  const seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: [], flags: [], syscalls };
  const text = bundleConfig({ ...spec, linux: { ...spec.linux, seccomp } }, "/pod/c1");
  expect(text).toContain('"value":18446744073709551615,"valueTwo":0');
});

test("writes OCI namespace names and paths that are valid outside the agent", () => {
  const spec = testSpec();
  const namespaces = [
    { type: "mnt", path: "" },
    { type: "net", path: "/run/ns" },
    { type: "pid", path: "/proc/self/fd/9" },
  ];
  expect(config({ ...spec, linux: { ...spec.linux, namespaces } }).linux.namespaces).toEqual([
    { type: "mount" },
    { type: "network", path: "/run/ns" },
    { type: "pid", path: `/proc/${process.pid}/fd/9` },
  ]);
});

test("writes a device's permissions as fileMode", () => {
  const spec = testSpec();
  const device = { path: "/dev/x", type: "c", major: 1, minor: 3, mode: 0o600, uid: 1, gid: 2 };
  const made = config({ ...spec, linux: { ...spec.linux, devices: [device] } });
  expect(made.linux.devices).toEqual([
    { path: "/dev/x", type: "c", major: 1, minor: 3, fileMode: 0o600, uid: 1, gid: 2 },
  ]);
});

test("omits unset limits, but keeps -1", () => {
  const spec = testSpec();
  const resources = {
    memory: { limit: 0, swap: -1 },
    cpu: { shares: 0, cpus: "", idle: 0 },
    pids: { limit: 5 },
    rdma: { mlx: { hcaHandles: 0 } },
  };
  expect(config({ ...spec, linux: { ...spec.linux, resources } }).linux.resources).toEqual({
    memory: { swap: -1 },
    cpu: { idle: 0 },
    pids: { limit: 5 },
    rdma: { mlx: { hcaHandles: 0 } },
  });
});

test("copies annotations except those that would put a runsc container into another one's sandbox", () => {
  const annotations = {
    "io.kubernetes.cri.container-type": "container",
    "io.kubernetes.cri-o.ContainerType": "container",
    "io.kubernetes.cri.sandbox-id": "pod",
    mine: "x",
  };
  expect(config({ ...testSpec(), annotations }).annotations).toEqual({
    "io.kubernetes.cri.sandbox-id": "pod",
    mine: "x",
  });
});

test("writes the values that seccomp compares with exactly", () => {
  const args = [{ index: 1, value: "18446744073709551615", valueTwo: "3", op: "SCMP_CMP_MASKED_EQ" }];
  const syscalls = [{ names: ["dup3"], action: "SCMP_ACT_ERRNO", args }];
  const seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: [], flags: [], syscalls };
  const spec = testSpec({ linux: { ...testSpec().linux, seccomp } });
  expect(bundleConfig(spec, "/x")).toContain('"args":[{"index":1,"value":18446744073709551615,"valueTwo":3,"op"');
});

test("writes host and domain name only if they are set", () => {
  const made = config({ ...testSpec(), hostname: "web", domainname: "example.org" });
  expect(made).toMatchObject({ hostname: "web", domainname: "example.org" });
  const { hostname, domainname } = config(testSpec());
  expect([hostname, domainname]).toEqual([undefined, undefined]);
});

test("copies arrays and unset parts of the resources unchanged", () => {
  const spec = testSpec();
  const resources = { devices: [{ allow: false, type: "a", access: "rwm", major: 0 }], blockIO: { weightDevice: [] } };
  expect(config({ ...spec, linux: { ...spec.linux, resources } }).linux.resources).toEqual(resources);
});

const spec = testSpec();
const given = { allow: false, type: "c", major: 1, minor: 11, access: "w" };
const node = { path: "/dev/kmsg", type: "c", major: 1, minor: 11, mode: 0o600, uid: 0, gid: 0 };
const linux = { ...spec.linux, devices: [node], resources: { pids: { limit: 5 }, devices: [given] } };

test("a runtime without its own filter gets no device rules, but all other limits", () => {
  expect(withDeviceRules({ ...spec, linux }, false).linux.resources).toEqual({ pids: { limit: 5 } });
});

test("a runtime with its own filter gets guestd's rules in guestd's order", () => {
  expect(withDeviceRules({ ...spec, linux }, true).linux.resources).toEqual({
    pids: { limit: 5 },
    devices: [
      { allow: false, type: "a", access: "rwm" },
      { allow: true, type: "c", major: 1, minor: 11, access: "rwm" },
      given,
    ],
  });
  const denyAll = { allow: false, type: "a", access: "rwm" };
  const denied = { ...linux, resources: { devices: [denyAll] } };
  expect(withDeviceRules({ ...spec, linux: denied }, true).linux.resources.devices).toEqual([
    denyAll,
    denyAll,
    { allow: true, type: "c", major: 1, minor: 11, access: "rwm" },
  ]);
});
