import { beforeEach, describe, expect, test } from "vitest";
import { memoryBounds } from "../container/cgroup/memory-bounds.ts";
import type { ResourcesSpec } from "../container/cgroup/resources-spec.ts";
import { FakeCgroups } from "../container/cgroup/testing/test-cgroups.ts";
import { testKernel } from "../container/testing/test-kernel.ts";
import { testSpec } from "../container/testing/test-spec.ts";
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
const open = (isGuest: boolean) =>
  new ContainerCgroups({ ...testKernel(), files: fake.files }, { root: "/cg", isGuest, onOom: () => undefined });
const limitOf = (cgroup: string) => fake.texts.get(`${cgroup}/memory.max`);

describe("in a guest", () => {
  const path = "/cg/containers/default/c1";

  test("a container is below the cgroup of all, which stays when the last one goes", async () => {
    const cgroups = open(true);
    expect(cgroups.directory("c1", specOf().linux)).toBe(path);
    await cgroups.create(path, specOf().linux);
    expect(fake.directories).toEqual(["/cg", "/cg/containers", "/cg/containers/default", path]);
    await cgroups.remove(record(path));
    expect(fake.directories).toEqual(["/cg", "/cg/containers"]);
  });

  test("one without a memory limit gets the guest's for one, and again when an update takes its own away", async () => {
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

  test("the cgroup of an older version, beside that of all, goes with the empty ones above it", async () => {
    await open(false).create("/cg/default/c1", specOf().linux);
    const cgroups = open(true);
    cgroups.prepare();
    cgroups.followMemory([record("/cg/default/c1")]);
    expect(limitOf("/cg/default/c1")).toBe("max");
    await cgroups.remove(record("/cg/default/c1"));
    expect(fake.directories).toEqual(["/cg", "/cg/containers"]);
  });
});

test("as a service a container is where the host says, and the system's memory is not limited", async () => {
  const cgroups = open(false);
  const path = "/cg/default/c1";
  expect(cgroups.directory("c1", specOf().linux)).toBe(path);
  cgroups.prepare();
  await cgroups.create(path, specOf().linux);
  cgroups.limitMemory(record(path));
  cgroups.followMemory([record(path)]);
  expect([fake.directories, limitOf(path)]).toEqual([["/cg", "/cg/default", path], "max"]);
});
