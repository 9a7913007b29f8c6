import { describe, expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Codes and texts of the contract (behaviour.md section 2), and refusals by name. */
export function refusalScenarios(pod: () => Pod): void {
  const none = { container_id: "no-such", exec_id: "no-such" };

  it("an unknown container has the contract's code in each group of calls", async () => {
    const { agent } = pod().client;
    await expect(agent.startContainer(none)).rejects.toMatchObject({
      code: 13,
      message: expect.stringMatching(/Invalid container id/),
    });
    await expect(agent.execProcess({ ...none, process: { Args: ["x"] } })).rejects.toMatchObject({ code: 13 });
    await expect(agent.removeContainer(none)).rejects.toMatchObject({
      code: 5,
      message: expect.stringMatching(/Invalid container id/),
    });
    await expect(agent.statsContainer(none)).rejects.toMatchObject({
      code: 3,
      message: expect.stringMatching(/invalid container id/),
    });
    for (const call of [agent.waitProcess, agent.closeStdin, agent.readStdout, agent.readStderr, agent.ttyWinResize]) {
      await expect(call(none)).rejects.toMatchObject({ code: 3 });
    }
    await expect(agent.signalProcess({ ...none, signal: 9 })).rejects.toMatchObject({ code: 3 });
    await expect(agent.writeStdin(none)).rejects.toMatchObject({ code: 13 });
  });

  it("an unknown exec is NOT_FOUND, for WriteStdin INTERNAL, and a second use of an exec id INTERNAL", async () => {
    const { agent } = pod().client;
    const container_id = await pod().start(["sleep", "1000"]);
    const ids = { container_id, exec_id: "no-such" };
    await expect(agent.signalProcess({ ...ids, signal: 9 })).rejects.toMatchObject({ code: 5 });
    await expect(agent.waitProcess(ids)).rejects.toMatchObject({ code: 5 });
    await expect(agent.readStdout({ ...ids, len: 1 })).rejects.toMatchObject({ code: 5 });
    await expect(agent.writeStdin(ids)).rejects.toMatchObject({ code: 13 });
    const exec_id = await pod().exec(container_id, ["sleep", "1000"]);
    const twice = agent.execProcess({ container_id, exec_id, process: { Args: ["sleep", "1"], Cwd: "/" } });
    await expect(twice).rejects.toMatchObject({ code: 13, message: expect.stringMatching(/already exists/) });
    await pod().remove(container_id);
  });

  it("a signal to a process that was waited for says that it is gone", async () => {
    const { agent } = pod().client;
    const container_id = await pod().start(["sleep", "1000"]);
    const exec_id = await pod().exec(container_id, ["true"]);
    await pod().finish(container_id, exec_id);
    const late = agent.signalProcess({ container_id, exec_id, signal: 9 });
    await expect(late).rejects.toMatchObject({ code: 5, message: expect.stringMatching(/ESRCH: No such process/) });
    await pod().remove(container_id);
  });

  it("a duplicate container id is ALREADY_EXISTS, and the first container lives on", async () => {
    const container_id = await pod().start(["sleep", "1000"]);
    const twice = pod().client.agent.createContainer({ container_id, OCI: ociSpec("/nowhere", ["true"]) });
    await expect(twice).rejects.toMatchObject({ code: 6 });
    expect((await pod().execute(container_id, ["echo", "alive"])).stdout.toString()).toBe("alive\n");
    await pod().remove(container_id);
  });

  it.each(["", "a", "../x", "-x", "a/b", "x".repeat(300)])("the container id %j is refused", async (container_id) => {
    const create = pod().client.agent.createContainer({ container_id, OCI: ociSpec("/", ["true"]) });
    await expect(create).rejects.toMatchObject({ code: 3 });
  });

  describe("a field of the spec that nothing carries yet is refused by name", () => {
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
    ])("linux.resources.%s", async (name, Resources) => {
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

  it("a method without an implementation answers UNIMPLEMENTED by its name", async () => {
    const answer = pod().client.agent.memHotplugByProbe({});
    await expect(answer).rejects.toMatchObject({
      code: 12,
      message: expect.stringMatching(/\/grpc.AgentService\/MemHotplugByProbe/),
    });
  });
}
