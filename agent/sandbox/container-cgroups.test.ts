import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { memoryBounds } from "../container/cgroup/memory-bounds.ts";
import type { ResourcesSpec } from "../container/cgroup/resources-spec.ts";
import { FakeCgroups } from "../container/cgroup/testing/test-cgroups.ts";
import { testKernel } from "../container/testing/test-kernel.ts";
import { testSpec } from "../container/testing/test-spec.ts";
import type { KilledCgroups, Sys } from "../kernel/kernel.ts";
import { ContainerCgroups } from "./container-cgroups.ts";

const MIB = 2 ** 20;
const { one } = memoryBounds(512 * MIB);

let fake: FakeCgroups;
beforeEach(() => {
  fake = new FakeCgroups("cpu memory");
  fake.texts.set("/proc/meminfo", `MemTotal: ${512 * 1024} kB\n`);
});

/** Nothing is filtered: the directories are none of the kernel's. */
const devices = [{ allow: true, type: "a", access: "rwm" }];
const specOf = (resources: ResourcesSpec = {}) => {
  const spec = testSpec();
  return { ...spec, linux: { ...spec.linux, resources: { ...resources, devices } } };
};
const record = (cgroup: string, resources: ResourcesSpec = {}) => ({
  ...{ id: "c1", cgroup, storages: [], oomKills: 0 },
  spec: specOf(resources),
});
const open = (isGuest: boolean, sys: Partial<Sys> = {}, killed?: KilledCgroups) =>
  new ContainerCgroups(
    { ...testKernel({ sys }), files: fake.files, ...(killed && { killed }) },
    { root: "/cg", isGuest, reservedBytes: 0, onOom: () => undefined },
  );
const limitOf = (cgroup: string) => fake.texts.get(`${cgroup}/memory.max`);

describe("in a guest", () => {
  const path = "/cg/containers/default/c1";

  test("the cgroup shared by all containers stays when the last container is removed", async () => {
    const cgroups = open(true);
    expect(cgroups.directory("c1", specOf().linux)).toBe(path);
    await cgroups.create(path, specOf().linux);
    expect(fake.directories).toEqual(["/cg", "/cg/containers", "/cg/containers/default", path]);
    await cgroups.remove(record(path));
    expect(fake.directories).toEqual(["/cg", "/cg/containers"]);
  });

  test("a container without a memory limit gets the guest's default, also after an update removes its own", async () => {
    const cgroups = open(true);
    await cgroups.create(path, specOf().linux);
    cgroups.limitMemory(record(path));
    expect(limitOf(path)).toBe(String(one));
    const limited = { memory: { limit: 4 * MIB } };
    cgroups.update(record(path), limited);
    expect(limitOf(path)).toBe(String(4 * MIB));
    cgroups.followMemory([record(path, limited)]);
    expect(limitOf(path)).toBe(String(4 * MIB));
    cgroups.update(record(path, limited), { memory: { limit: -1 } });
    expect(limitOf(path)).toBe(String(one));
    cgroups.update(record(path), { pids: {} });
    expect(limitOf(path)).toBe(String(one));
  });

  test("the memory of a container without a limit of its own follows the guest's", async () => {
    const cgroups = open(true);
    await cgroups.create(path, specOf().linux);
    cgroups.limitMemory(record(path));
    fake.texts.set("/proc/meminfo", `MemTotal: ${1024 * 1024} kB\n`);
    cgroups.followMemory([record(path)]);
    expect(limitOf(path)).toBe(String(memoryBounds(1024 * MIB).one));
  });

  test("the limit of a new container does not depend on what its process uses already", async () => {
    const cgroups = open(true);
    await cgroups.create(path, specOf().linux);
    fake.texts.set(`${path}/memory.current`, String(one + 1));
    cgroups.limitMemory(record(path));
    expect(limitOf(path)).toBe(String(one));
  });

  test("a container whose update sets the unified memory.max to max gets the guest's default", async () => {
    const cgroups = open(true);
    await cgroups.create(path, specOf({ memory: { limit: 4 * MIB } }).linux);
    expect(limitOf(path)).toBe(String(4 * MIB));
    cgroups.update(record(path), { unified: { "memory.max": "max" } });
    expect(limitOf(path)).toBe(String(one));
  });

  test("the cgroup of a container that an older version created is removed with its empty parents", async () => {
    await open(false).create("/cg/default/c1", specOf().linux);
    const cgroups = open(true);
    cgroups.prepare();
    cgroups.followMemory([record("/cg/default/c1")]);
    expect(limitOf("/cg/default/c1")).toBe("max");
    await cgroups.remove(record("/cg/default/c1"));
    expect(fake.directories).toEqual(["/cg", "/cg/containers"]);
  });
});

test("a service creates a container's cgroup where the host asks, and does not limit the system's memory", async () => {
  const cgroups = open(false);
  const path = "/cg/default/c1";
  expect(cgroups.directory("c1", specOf().linux)).toBe(path);
  cgroups.prepare();
  await cgroups.create(path, specOf().linux);
  cgroups.limitMemory(record(path));
  cgroups.followMemory([record(path)]);
  expect([fake.directories, limitOf(path)]).toEqual([["/cg", "/cg/default", path], "max"]);
});

const created = "/cg/default/c1";
const LIMITED = { memory: { limit: 4 * MIB } };

test("a new cgroup has the limits of its spec, and room for 512 cgroups below it", async () => {
  await open(false).create(created, specOf(LIMITED).linux);
  expect([limitOf(created), fake.texts.get(`${created}/cgroup.max.descendants`)]).toEqual([String(4 * MIB), "512"]);
});

test("another runtime sets the limits of its containers itself", async () => {
  await open(false).create(created, specOf(LIMITED).linux, true);
  expect([limitOf(created), fake.texts.get(`${created}/cgroup.max.descendants`)]).toEqual(["max", "512"]);
});

test("a cgroup whose limits or device filter can't be set is removed again", async () => {
  fake.refused.set(`${created}/memory.max`, { code: "EINVAL", errno: 22 });
  await expect(open(false).create(created, specOf(LIMITED).linux)).rejects.toThrow(`write ${created}/memory.max`);
  expect(fake.directories).toEqual(["/cg"]);
  const filtered = { ...specOf().linux, resources: {} };
  await expect(open(false).create(created, filtered)).rejects.toThrow(`open ${created}: ENOENT`);
  expect(fake.directories).toEqual(["/cg"]);
});

test("a service changes a container's memory limit", async () => {
  const cgroups = open(false);
  await cgroups.create(created, specOf().linux);
  expect(cgroups.update(record(created), LIMITED)).toEqual({ ...LIMITED, devices });
  expect(limitOf(created)).toBe(String(4 * MIB));
});

test("an update's device rules get the guest's numbers, and replace the filter", () => {
  const calls: string[] = [];
  const sys = {
    loadDeviceFilter: () => -1,
    attachedDeviceFilter: () => undefined,
    attachDeviceFilter: () => void calls.push("attach"),
  };
  const directory = mkdtempSync(join(tmpdir(), "guestd-cgroups-"));
  const disk = { type: "b", major: 254, minor: 0, access: "rwm", host: { type: "b", major: 8, minor: 0 } };
  const rule = { allow: true, type: "b", major: 8, minor: 0, access: "r" };
  try {
    const cgroups = open(false, sys);
    const updated = cgroups.update({ ...record(directory), devices: [disk] }, { devices: [rule] });
    expect(updated).toEqual({ devices: [{ ...rule, major: 254 }] });
    expect(calls).toEqual(["attach"]);
    expect(cgroups.update(record(directory), { devices: [rule] })).toEqual({ devices: [rule] });
    cgroups.update(record(directory), { pids: {} });
    expect(calls).toEqual(["attach", "attach"]);
  } finally {
    rmdirSync(directory);
  }
});

test("the removal of a container whose cgroup is gone succeeds", async () => {
  await open(false).remove(record("/cg/default/gone"));
  expect(fake.log.filter((line) => line.startsWith("rmdir"))).toEqual([]);
});

test("the cgroup of a killed container is watched until it is removed, as the next one may get its path", async () => {
  const path = "/cg/containers/default/c1";
  const found: boolean[] = [];
  const killed = {
    watch: () => undefined,
    forget: (cgroup: string) => void found.push(fake.directories.includes(cgroup)),
  };
  const cgroups = open(true, {}, killed);
  await cgroups.create(path, specOf().linux);
  await cgroups.remove(record(path));
  expect(found).toEqual([false]);
});
