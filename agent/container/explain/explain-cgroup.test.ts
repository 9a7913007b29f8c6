import { expect, test } from "vitest";
import { testSpec } from "../testing/test-spec.ts";
import { explainCgroup } from "./explain-cgroup.ts";

const explained = (linux: object) => {
  const spec = testSpec();
  const steps = explainCgroup({ ...spec, linux: { ...spec.linux, resources: {}, cgroupsPath: "", ...linux } });
  return steps.map(({ operation, object, reason }) => `${operation} ${object}, ${reason}`);
};

const DESCENDANTS = "write 512 to cgroup.max.descendants, every container";

test("the cgroup, each limit and the device filter are explained with their fields", () => {
  const resources = { memory: { limit: 4096 }, unified: { "memory.oom.group": "1" } };
  expect(explained({ cgroupsPath: "system.slice:kata:c1", resources })).toEqual([
    "mkdir cgroup /system.slice/kata/c1, linux.cgroupsPath",
    DESCENDANTS,
    "write 4096 to memory.max, linux.resources.memory.limit",
    'write 1 to memory.oom.group, linux.resources.unified["memory.oom.group"]',
    "bpf device filter of 11 rules, linux.resources.devices",
  ]);
});

test("a container that may use every device has no filter", () => {
  const devices = [{ allow: true, type: "a", access: "rwm" }];
  expect(explained({ resources: { devices } })).toEqual(["mkdir cgroup /<id>, linux.cgroupsPath", DESCENDANTS]);
});
