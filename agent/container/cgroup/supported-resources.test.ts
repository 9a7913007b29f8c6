import { expect, test } from "vitest";
import { createCgroup } from "./cgroup.ts";
import { supportedResources } from "./supported-resources.ts";
import { FakeCgroups } from "./testing/test-cgroups.ts";

test("removes only limits for resources that the guest doesn't have", () => {
  const fake = new FakeCgroups("cpu cpuset memory pids hugetlb");
  createCgroup(fake.files, "/cg", "/c1");
  for (const name of ["cpuset.cpus", "cpuset.mems", "hugetlb.2MB.max"]) fake.texts.set(`/cg/c1/${name}`, "");
  fake.refused.set("/cg/c1/cpuset.cpus", { code: "EINVAL", errno: 22 });
  fake.log.length = 0;
  const resources = {
    cpu: { shares: 9, cpus: "4095", mems: "0" },
    memory: { limit: 4096, swap: 4096 },
    hugepageLimits: ["2MB", "512MB"].map((pageSize) => ({ pageSize, limit: 0 })),
    unified: { "memory.swap.max": "0", "memory.high": "9" },
    pids: { limit: 5 },
  };
  expect(supportedResources(fake.files, "/cg/c1", resources)).toEqual({
    ...resources,
    cpu: { shares: 9, cpus: "", mems: "0" },
    hugepageLimits: [{ pageSize: "2MB", limit: 0 }],
    unified: { "memory.high": "9" },
  });
  // Limits that every guest supports are left for the runtime to set.
  expect(fake.log.filter((line) => !/cpuset|hugetlb|swap/.test(line))).toEqual([]);
  expect(supportedResources(fake.files, "/cg/c1", { pids: { limit: 5 } })).toEqual({ pids: { limit: 5 } });
});
