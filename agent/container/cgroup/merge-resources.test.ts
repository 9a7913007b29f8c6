import { expect, test } from "vitest";
import { mergeResources } from "./merge-resources.ts";

const now = {
  memory: { limit: 100, reservation: 50, swap: 200 },
  cpu: { shares: 1024, quota: 5000, period: 10_000, burst: 3, idle: 1, cpus: "0" },
  pids: { limit: 7 },
  hugepageLimits: [
    { pageSize: "2MB", limit: 1 },
    { pageSize: "1GB", limit: 2 },
  ],
  unified: { "memory.high": "1" },
  devices: [{ allow: false, type: "a", access: "rwm" }],
};

test("an empty update changes nothing", () => {
  expect(mergeResources(now, {})).toEqual(now);
  const zeros = { memory: { limit: 0, reservation: 0, swap: 0 }, cpu: { shares: 0, cpus: "" }, pids: { limit: 0 } };
  expect(mergeResources(now, zeros)).toEqual(now);
});

test("an update overrides single fields", () => {
  expect(mergeResources(now, { memory: { limit: -1 }, cpu: { quota: -1, burst: 0, idle: 0, cpus: "1" } })).toEqual({
    ...now,
    memory: { limit: -1, reservation: 50, swap: 200 },
    cpu: { shares: 1024, quota: -1, period: 10_000, burst: 0, idle: 0, cpus: "1" },
  });
});

test("an update merges maps and page sizes by key, and replaces device rules as a whole", () => {
  const devices = [{ allow: true, type: "a", access: "rwm" }];
  const given = { unified: { "pids.max": "5" }, hugepageLimits: [{ pageSize: "2MB", limit: 9 }], devices };
  expect(mergeResources(now, given)).toEqual({
    ...now,
    unified: { "memory.high": "1", "pids.max": "5" },
    hugepageLimits: [
      { pageSize: "1GB", limit: 2 },
      { pageSize: "2MB", limit: 9 },
    ],
    devices,
  });
});

test("an update replaces a list, unless it is empty, and adds what the container didn't have", () => {
  const device = (weight: number) => ({ major: 8, minor: 0, weight });
  const old = { blockIO: { weight: 10, weightDevice: [device(1)] } };
  expect(mergeResources(old, { blockIO: { weightDevice: [device(2)] } })).toEqual({
    blockIO: { weight: 10, weightDevice: [device(2)] },
  });
  expect(mergeResources(old, { blockIO: { weightDevice: [] } })).toEqual(old);
  const hugepageLimits = [{ pageSize: "2MB", limit: 9 }];
  expect(mergeResources({}, { hugepageLimits })).toEqual({ hugepageLimits });
});
