import { closeSync, mkdirSync, openSync, readdirSync, rmdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRoot } from "../../../lib/is-root.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { createSysDouble } from "../../kernel/testing/sys-double.ts";
import { DeviceFilters } from "./device-filters.ts";
import { deviceRules } from "./device-rules.ts";
import { writableCgroupRoot } from "./testing/test-cgroups.ts";

const usual = deviceRules({ devices: [], resources: {} });
const all = [{ allow: true, access: 7 }];

describe("device filters", () => {
  test("load a program once for the same rules, and attach nothing if everything is allowed", () => {
    const sys = createSysDouble();
    const filters = new DeviceFilters({ ...sys, close: closeSync });
    filters.attach("/tmp", usual);
    filters.attach("/tmp", usual);
    filters.attach("/tmp", usual.slice(1));
    filters.attach("/tmp", all);
    const names = sys.calls.map(([name]) => name);
    expect(names.filter((name) => name === "loadDeviceFilter")).toHaveLength(2);
    const attached = sys.calls.flatMap((call) => (call[0] === "attachDeviceFilter" ? [call[2]] : []));
    expect(attached).toEqual([1000, 1000, 1001]);
  });

  test("keep only the most recently used programs", () => {
    const closed: number[] = [];
    const sys = createSysDouble();
    const close = (fd: number) => (fd >= 1000 ? void closed.push(fd) : closeSync(fd));
    const filters = new DeviceFilters({ ...sys, close });
    for (let major = 1; major <= 16; major++) filters.attach("/tmp", [{ allow: true, type: "c", major, access: 7 }]);
    filters.attach("/tmp", [{ allow: true, type: "c", major: 1, access: 7 }]);
    filters.attach("/tmp", [{ allow: true, type: "c", major: 99, access: 7 }]);
    expect(closed).toEqual([1001]);
  });
});

describe("the replacement of a filter", () => {
  const setUp = (attached?: number) => {
    const sys = createSysDouble();
    const closed: number[] = [];
    const close = (fd: number) => (fd >= 1000 ? void closed.push(fd) : closeSync(fd));
    const filters = new DeviceFilters({ ...sys, close, attachedDeviceFilter: () => attached });
    const calls = () =>
      sys.calls.flatMap((call) =>
        call[0] === "attachDeviceFilter" || call[0] === "replaceDeviceFilter" ? [[call[0], ...call.slice(2)]] : [],
      );
    return { filters, closed, calls };
  };

  test("is atomic, even by one that allows everything", () => {
    const { filters, closed, calls } = setUp(2000);
    filters.replace("/tmp", usual);
    filters.replace("/tmp", all);
    expect(calls()).toEqual([
      ["replaceDeviceFilter", 1000, 2000],
      ["replaceDeviceFilter", 1001, 2000],
    ]);
    expect(closed).toEqual([2000, 2000]);
  });

  test("attaches one to a cgroup that has none, unless everything is allowed", () => {
    const { filters, closed, calls } = setUp();
    filters.replace("/tmp", all);
    expect(calls()).toEqual([]);
    filters.replace("/tmp", usual);
    expect([calls(), closed]).toEqual([[["attachDeviceFilter", 1000]], []]);
  });
});

/** bpf(2) needs root. */
const root = isRoot() ? writableCgroupRoot() : undefined;

describe.skipIf(root === undefined)("device filters on a real cgroup2 (needs root)", () => {
  const directory = `${root}/guestd-filter-${process.pid}`;
  const sys = openSys();
  beforeEach(() => void mkdirSync(directory));
  afterEach(() => rmdirSync(directory));
  const attached = () => {
    const cgroup = openSync(directory, "r");
    const program = sys.attachedDeviceFilter(cgroup);
    closeSync(cgroup);
    if (program !== undefined) closeSync(program);
    return program !== undefined;
  };

  test("are accepted by the kernel: attached, replaced by another and by the same, and removed with the cgroup", () => {
    const before = readdirSync("/proc/self/fd").length;
    const filters = new DeviceFilters(sys);
    expect(attached()).toBe(false);
    filters.replace(directory, all);
    expect(attached()).toBe(false);
    filters.attach(directory, usual);
    filters.replace(directory, usual);
    filters.replace(directory, all);
    filters.replace(directory, [{ allow: false, type: "b", major: 8, minor: 2 ** 20 - 1, access: 5 }, ...usual]);
    expect(attached()).toBe(true);
    expect(readdirSync("/proc/self/fd").length - before).toBe(3);
  });

  test("don't prevent a cgroup below from having its own filter, which runs as well", () => {
    const filters = new DeviceFilters(sys);
    filters.attach(directory, usual);
    mkdirSync(`${directory}/nested`);
    try {
      filters.attach(`${directory}/nested`, usual.slice(2));
    } finally {
      rmdirSync(`${directory}/nested`);
    }
  });

  test("are accepted by the kernel with the maximum number of rules", () => {
    const numbers = Array.from({ length: 1024 }, (_, major) => major);
    const rules = numbers.map((major) => ({
      allow: true,
      type: "c" as const,
      major,
      minor: 1,
      access: 1 + (major % 7),
    }));
    new DeviceFilters(sys).attach(directory, rules);
    expect(attached()).toBe(true);
  });
});
