import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELD_UP_MS } from "../attack/testing/held-up-ms.ts";
import { buildCapable } from "../attack/vm/testing/spared-container.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

const MIB = 1 << 20;
const DEFAULTS = ["1:3", "1:5", "1:7", "1:8", "1:9", "5:2"];

describe("a container with CAP_MKNOD or CAP_SYS_RESOURCE, in a guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let pod: Pod;
  let rootfs: string;
  beforeAll(async () => {
    machine = await startGuestMachine(512);
    pod = await Pod.open(machine);
    rootfs = machine.rootfs("capable");
    buildCapable(join(machine.hostPath(rootfs), "bin/capable"));
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  async function start(names: readonly string[], Args: readonly string[], OOMScoreAdj = 0): Promise<string> {
    const { Process, Linux } = ociSpec(rootfs, []);
    const Capabilities = { Bounding: names, Effective: names, Permitted: names };
    return pod.start([], {
      Process: { ...Process, Args, OOMScoreAdj, Capabilities },
      Root: { Path: rootfs },
      Linux: { ...Linux, Resources: { Memory: { Limit: 64 * MIB } } },
    });
  }

  it("can open only the default devices, not the guest's disks, memory and terminals", async () => {
    const id = await start(["CAP_MKNOD", "CAP_SYS_RESOURCE"], ["capable", "devices"]);
    const { stdout } = await pod.finish(id, id);
    expect(stdout.toString()).toBe([...DEFAULTS.map((numbers) => `c ${numbers}`), "over", ""].join("\n"));
    await pod.remove(id);
  });

  it("can't protect itself from the OOM killer without CAP_SYS_RESOURCE", async () => {
    const lower =
      "for to in 499 0 -1 -1000; do echo $to > /proc/self/oom_score_adj; done; cat /proc/self/oom_score_adj";
    const id = await start([], ["sh", "-c", lower], 500);
    expect((await pod.finish(id, id)).stdout.toString()).toBe("500\n");
    await pod.remove(id);
  });

  it.each([
    ["locks all of its memory and is protected from the OOM killer", ["memory", "4000"]],
    ["spins with the highest priority", ["realtime", "10"]],
  ])("delays no other container for long, and is removed, if it %s", async (_, args) => {
    const before = await machine.shell("pidof node");
    const id = await start(["CAP_SYS_RESOURCE"], ["capable", ...args]);
    const neighbour = await pod.start(["sleep", "1000"]);
    const end = performance.now() + 8000;
    while (performance.now() < end) {
      const begin = performance.now();
      await pod.client.health.check({});
      expect(performance.now() - begin).toBeLessThan(HELD_UP_MS);
      expect((await pod.execute(neighbour, ["echo", "alive"])).stdout.toString()).toBe("alive\n");
    }
    await pod.client.agent.signalProcess({ container_id: id, exec_id: id, signal: 9 });
    await pod.finish(id, id);
    for (const one of [id, neighbour]) await pod.remove(one);
    expect(await machine.shell("pidof node"), "the agent is the same").toBe(before);
  });
});
