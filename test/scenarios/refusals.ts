import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Scenarios of fields that are refused by name. The conformance suite has the contract's codes. */
export function refusalScenarios(pod: () => Pod): void {
  describe("a spec with an unsupported field", () => {
    let container_id = "";
    beforeAll(async () => {
      container_id = await pod().start(["sleep", "1000"]);
    });
    afterAll(() => pod().remove(container_id));
    const weight = [{ Major: 8, Minor: 0, Weight: 100, LeafWeight: 10 }];
    it.each<[string, Init<grpc.LinuxResources>]>([
      ["blockIO.leafWeight", { BlockIO: { LeafWeight: 10 } }],
      ["blockIO.weightDevice leafWeight", { BlockIO: { WeightDevice: weight } }],
      ["memory.kernel", { Memory: { Kernel: 1 << 20 } }],
      ["memory.kernelTCP", { Memory: { KernelTCP: 1 << 20 } }],
      ["memory.swappiness", { Memory: { Swappiness: 60 } }],
      ["memory.disableOOMKiller", { Memory: { DisableOOMKiller: true } }],
      ["memory.useHierarchy false", { Memory: { UseHierarchy: false } }],
      ["cpu.realtimeRuntime", { CPU: { RealtimeRuntime: 1000 } }],
      ["cpu.realtimePeriod", { CPU: { RealtimePeriod: 1000 } }],
      ["network.classID", { Network: { ClassID: 1 } }],
      ["network.priorities", { Network: { Priorities: [{ Name: "eth0", Priority: 1 }] } }],
    ])("is refused by the name linux.resources.%s", async (name, Resources) => {
      const field = `linux.resources.${name}`;
      const create = pod().create(["true"], { Linux: { ...ociSpec("/", []).Linux, Resources } });
      await expect(create).rejects.toMatchObject({ code: 3, message: `OCI spec: ${field} is not supported` });
      await expect(pod().client.agent.updateContainer({ container_id, resources: Resources })).rejects.toMatchObject({
        code: 3,
        message: `update container ${container_id}: ${field} is not supported`,
      });
    });
  });
}
