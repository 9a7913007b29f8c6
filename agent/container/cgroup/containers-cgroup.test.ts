import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cgroupNotices } from "./cgroup-notices.ts";
import { ContainersCgroup } from "./containers-cgroup.ts";
import { memoryBounds } from "./memory-bounds.ts";
import { FakeCgroups } from "./testing/test-cgroups.ts";

const MIB = 2 ** 20;
const PARENT = "/cg/containers";

let fake: FakeCgroups;
let parent: ContainersCgroup;
const lines: unknown[] = [];
const note = (line: unknown) => lines.push(line);
const start = (controllers: string) => {
  fake = new FakeCgroups(controllers);
  parent = new ContainersCgroup(fake.files, "/cg");
  setMemory(512 * MIB);
};
beforeEach(() => {
  start("cpu memory");
  lines.length = 0;
  cgroupNotices.subscribe(note);
});
afterEach(() => {
  cgroupNotices.unsubscribe(note);
});

const setMemory = (total: number) =>
  fake.texts.set("/proc/meminfo", `MemTotal:       ${total / 1024} kB\nMemFree:        1 kB\n`);
const container = (name: string) => {
  fake.files.makeDirectory(name);
  return name;
};
const limits = (directory: string) =>
  ["memory.max", "memory.low", "memory.min"].map((file) => fake.texts.get(`${directory}/${file}`));
const { all, one } = memoryBounds(512 * MIB);
const [more, less] = [memoryBounds(1024 * MIB), memoryBounds(256 * MIB)];

describe("opening the containers' cgroup", () => {
  test("creates it once, with a limit, and passes on the memory protection of containers", () => {
    parent.open();
    expect(limits(PARENT)).toEqual([String(all), "max", "max"]);
    fake.log.length = 0;
    parent.open();
    expect(fake.log).toEqual([]);
  });

  test("reuses the one that a previous agent created, with its containers", () => {
    parent.open();
    fake.texts.set(`${PARENT}/cgroup.events`, "populated 1\nfrozen 0\n");
    new ContainersCgroup(fake.files, "/cg").open();
    expect(limits(PARENT)).toEqual([String(all), "max", "max"]);
  });

  test("creates it without limits if there is no memory controller", () => {
    start("cpu pids");
    parent.open();
    fake.log.length = 0;
    parent.open();
    parent.limit(container(`${PARENT}/c1`), {});
    parent.follow([{ cgroup: `${PARENT}/c1`, resources: {} }]);
    expect(fake.log).toEqual([`mkdir ${PARENT}/c1`]);
  });

  test("publishes one notice if the kernel refuses a limit", () => {
    fake.refused.set(`${PARENT}/memory.max`, { code: "EINVAL", errno: 22 });
    parent.open();
    expect(lines).toEqual([`write ${PARENT}/memory.max "${all}": EINVAL; the old value stays`]);
  });

  test("throws if it can't be created", () => {
    fake.refused.set(PARENT, { code: "ENOSPC", errno: 28 });
    expect(() => parent.open()).toThrow(`mkdir ${PARENT}: ENOSPC`);
  });
});

describe("the default memory limit", () => {
  beforeEach(() => {
    parent.open();
    parent.follow([]);
    fake.files.writeText(`${PARENT}/cgroup.subtree_control`, "+memory");
  });

  test.each([
    ["no resources", {}],
    ["a reservation only", { memory: { reservation: MIB } }],
    ["none by -1", { memory: { limit: -1 } }],
    ["none by unified", { unified: { "memory.max": "max" } }],
  ])("is set for a container with %s", (_, resources) => {
    parent.limit(container(`${PARENT}/c1`), resources);
    expect(fake.texts.get(`${PARENT}/c1/memory.max`)).toBe(String(one));
  });

  test.each([
    ["a limit", { memory: { limit: MIB } }],
    ["one in unified", { unified: { "memory.max": "1048576" } }],
  ])("is not set for a container with %s", (_, resources) => {
    parent.limit(container(`${PARENT}/c1`), resources);
    expect(fake.texts.get(`${PARENT}/c1/memory.max`)).toBe("max");
  });

  test("is not set for a cgroup that an older version created elsewhere", () => {
    fake.files.writeText("/cg/cgroup.subtree_control", "+memory");
    parent.limit(container("/cg/c1"), {});
    parent.limit(container("/cg/containers-not"), {});
    expect([limits("/cg/c1")[0], limits("/cg/containers-not")[0]]).toEqual(["max", "max"]);
  });
});

describe("following the guest's memory", () => {
  const containers = [
    { cgroup: `${PARENT}/c1`, resources: {} },
    { cgroup: `${PARENT}/c2`, resources: { memory: { limit: 4096 } } },
  ];
  beforeEach(() => {
    parent.open();
    fake.files.writeText(`${PARENT}/cgroup.subtree_control`, "+memory");
    for (const { cgroup, resources } of containers) parent.limit(container(cgroup), resources);
  });
  const limitOf = (name: string) => fake.texts.get(`${PARENT}${name}/memory.max`);

  test("raises the common limit and the default limits after a hotplug", () => {
    setMemory(1024 * MIB);
    parent.follow(containers);
    expect([limitOf(""), limitOf("/c1"), limitOf("/c2")]).toEqual([String(more.all), String(more.one), "max"]);
  });

  test("works in a new agent for the containers of the previous one", () => {
    setMemory(1024 * MIB);
    new ContainersCgroup(fake.files, "/cg").follow(containers);
    expect([limitOf(""), limitOf("/c1")]).toEqual([String(more.all), String(more.one)]);
  });

  test("lowers limits to the current usage at most, because a lower limit would kill", () => {
    fake.texts.set(`${PARENT}/memory.current`, String(300 * MIB));
    fake.texts.set(`${PARENT}/c1/memory.current`, String(MIB));
    setMemory(256 * MIB);
    parent.follow(containers);
    expect([limitOf(""), limitOf("/c1")]).toEqual([String(300 * MIB), String(less.one)]);
  });

  test("does nothing before the first container", () => {
    start("memory");
    parent.follow([]);
    expect(fake.log).toEqual([]);
  });
});
