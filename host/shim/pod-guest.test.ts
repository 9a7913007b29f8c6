import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { specFromJson } from "../oci/config-json.ts";
import { guestSize } from "./pod-guest.ts";

const MIB = 2 ** 20;
const size = (annotations: object, resources: object = {}) =>
  guestSize(specFromJson({ annotations, linux: { resources } }, "spec"));

test("a guest is as large as its pod's limits, or its first container's, and what it needs itself", () => {
  expect(size({})).toEqual({ memoryMib: 512, cpus: 1 });
  expect(size({}, { memory: { limit: 100 * MIB + 1 }, cpu: { quota: 50_000, period: 100_000 } })).toEqual({
    memoryMib: 613,
    cpus: 1,
  });
  expect(size({}, { memory: { limit: -1 }, cpu: { quota: -1, period: 100_000 } })).toEqual({ memoryMib: 512, cpus: 1 });
  const pod = {
    "io.kubernetes.cri.sandbox-memory": `${64 * MIB}`,
    "io.kubernetes.cri.sandbox-cpu-quota": "1000000000",
    "io.kubernetes.cri.sandbox-cpu-period": "100000",
  };
  expect(size(pod, { memory: { limit: 1000 * MIB } })).toEqual({ memoryMib: 576, cpus: availableParallelism() });
});
