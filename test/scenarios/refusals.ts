import { describe, expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Scenarios of refusals by name. The contract's codes are in error-table.ts. */
export function refusalScenarios(pod: () => Pod): void {
  it("a signal to a process that was waited for fails because it is gone", async () => {
    const { agent } = pod().client;
    const container_id = await pod().start(["sleep", "1000"]);
    const exec_id = await pod().exec(container_id, ["true"]);
    await pod().finish(container_id, exec_id);
    const late = agent.signalProcess({ container_id, exec_id, signal: 9 });
    await expect(late).rejects.toMatchObject({ code: 5, message: expect.stringMatching(/ESRCH: No such process/) });
    await pod().remove(container_id);
  });

  it("a duplicate container id is ALREADY_EXISTS, and the first container keeps running", async () => {
    const container_id = await pod().start(["sleep", "1000"]);
    const twice = pod().client.agent.createContainer({ container_id, OCI: ociSpec("/nowhere", ["true"]) });
    await expect(twice).rejects.toMatchObject({
      code: 6,
      message: `create container ${container_id}: the id already exists`,
    });
    expect((await pod().execute(container_id, ["echo", "alive"])).stdout.toString()).toBe("alive\n");
    await pod().remove(container_id);
  });

  it("a second CreateSandbox is ALREADY_EXISTS and harms no running container, no storages, no DNS and no new containers", async () => {
    const { client, machine } = pod();
    const container_id = await pod().start(["sleep", "1000"]);
    const exec_id = await pod().exec(container_id, ["cat"]);
    const kept = () =>
      machine.shell("cat /run/kata-containers/sandbox/resolv.conf; grep ' /run/kata-containers' /proc/mounts | sort");
    const before = await kept();
    expect(before).toMatch(/^nameserver 10\.0\.0\.10\n[\s\S]*sandbox\/shm/);
    for (const sandbox_id of ["pod", "other"]) {
      const again = client.agent.createSandbox({ sandbox_id, hostname: "other", dns: ["nameserver 10.0.0.99"] });
      await expect(again).rejects.toMatchObject({ code: 6, message: 'create sandbox: sandbox "pod" already exists' });
    }
    expect(await kept()).toBe(before);
    await client.agent.writeStdin({ container_id, exec_id, data: Buffer.from("goes on\n") });
    await client.agent.closeStdin({ container_id, exec_id });
    expect(await pod().finish(container_id, exec_id)).toMatchObject({ stdout: Buffer.from("goes on\n"), status: 0 });
    expect((await pod().execute(container_id, ["hostname"])).stdout.toString()).toBe("pod-host\n");
    expect((await pod().run(["hostname"])).stdout.toString()).toBe("pod-host\n");
    await pod().remove(container_id);
  });

  it.each(["", "a", "../x", "-x", "a/b", "x".repeat(300)])("the container id %j is refused", async (container_id) => {
    const create = pod().client.agent.createContainer({ container_id, OCI: ociSpec("/", ["true"]) });
    await expect(create).rejects.toMatchObject({ code: 3 });
  });

  describe("a spec with an unsupported field", () => {
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
      const container_id = await pod().start(["sleep", "1000"]);
      await expect(pod().client.agent.updateContainer({ container_id, resources: Resources })).rejects.toMatchObject({
        code: 3,
        message: `update container ${container_id}: ${field} is not supported`,
      });
      await pod().remove(container_id);
    });
  });
}
