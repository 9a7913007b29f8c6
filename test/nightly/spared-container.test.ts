import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryBounds } from "../../agent/container/cgroup/memory-bounds.ts";
import { buildHog } from "../attack/guest/build-hog.ts";
import { expectNeighboursWell, whileChecking } from "../attack/guest/neighbours.ts";
import { buildCapable, startSpared } from "../attack/guest/spared-container.ts";
import { startGuestMachine } from "../guest/guest-machine.ts";
import { plugMemory } from "../guest/plug-memory.ts";
import { guestMemory } from "../scenarios/guest-memory.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";

/** Longest that a host waits for Check, whatever a container does. */
const PROMISED_MS = 1000;
const MIB = 1 << 20;

describe.each([256, 512])(
  "a container without a limit that takes and locks memory, spared by the OOM killer, in %i MiB",
  (mib) => {
    let machine: Awaited<ReturnType<typeof startGuestMachine>>;
    let pod: Pod;
    let rootfs: string;
    const slowest: [what: string, ms: number][] = [];
    beforeAll(async () => {
      machine = await startGuestMachine(mib, { hotplug: true, runtimes: ["crun", "runc"] });
      pod = await Pod.open(machine);
      rootfs = machine.rootfs("spared");
      buildHog(`${machine.hostPath(rootfs)}/bin/hog`);
      buildCapable(`${machine.hostPath(rootfs)}/bin/capable`);
    });
    afterAll(async () => {
      console.log(
        `${mib} MiB, slowest answer to Check, ms: ${slowest.map(([what, ms]) => `${what} ${ms.toFixed(0)}`).join(", ")}`,
      );
      await pod?.client.close();
      await machine?.[Symbol.asyncDispose]();
    });

    const checked = async (what: string, work: () => Promise<void>) => {
      const ms = await whileChecking(pod.client, work);
      slowest.push([what, ms]);
      expect(ms, "milliseconds until Check was answered").toBeLessThan(PROMISED_MS);
    };

    it.each(["", "crun", "runc"])("made by %o: the others are as before, and it can be removed", async (runtime) => {
      const before = await machine.shell("pidof node");
      const by = new Pod(machine, pod.client, runtime === "" ? {} : { "guestd.runtime": runtime });
      const running = await by.start(["sleep", "1000"], { Root: { Path: rootfs } });
      const spared = await startSpared(by, rootfs);
      await checked(runtime || "built in", async () => {
        await expectNeighboursWell(machine, rootfs, running);
        const { status } = await by.execute(running, ["true"]);
        expect(status).toBe(0);
      });
      await spared.remove();
      await by.remove(running);
      expect(await machine.shell("pidof node"), "the agent is the same").toBe(before);
    });

    it("the agent that is killed meanwhile comes back", async () => {
      const running = await pod.start(["sleep", "1000"], { Root: { Path: rootfs } });
      const spared = await startSpared(pod, rootfs);
      await machine.killAgent();
      await checked("agent killed", () => expectNeighboursWell(machine, rootfs, running));
      await spared.remove();
      await pod.remove(running);
    });

    it("two of them may get their neighbours killed, but the guest and the agent live, and they can be removed", async () => {
      const before = await machine.shell("pidof node");
      const first = await startSpared(pod, rootfs);
      const second = await startSpared(pod, rootfs);
      await checked("two of them", async () => {
        await new Promise((resolve) => setTimeout(resolve, 3000));
        for (const one of [first, second]) await one.remove();
      });
      expect(await machine.shell("pidof node"), "the agent is the same").toBe(before);
      const running = await pod.start(["sleep", "1000"], { Root: { Path: rootfs } });
      await expectNeighboursWell(machine, rootfs, running);
      await pod.remove(running);
    });

    it("the limits grow with memory that is plugged in, before OnlineCPUMem is answered", async () => {
      const limits = async (id: string) => {
        const files = ["memory.max", `${id}/memory.max`, "memory.low", "memory.min"];
        return (await machine.shell(`cd /sys/fs/cgroup/containers; cat ${files.join(" ")}`)).trim().split("\n");
      };
      const expected = async () => {
        const { all, one } = memoryBounds(await guestMemory(machine));
        return [String(all), String(one), "max", "max"];
      };
      const { Linux } = ociSpec(rootfs, []);
      const running = await pod.start(["sleep", "1000"], { Root: { Path: rootfs } });
      const limited = await pod.start(["sleep", "1000"], {
        Root: { Path: rootfs },
        Linux: { ...Linux, Resources: { Memory: { Limit: 64 * MIB } } },
      });
      const before = await limits(running);
      expect(before).toEqual(await expected());
      await using qmp = await machine.guest.qmp();
      await plugMemory(qmp, "dimm", 256);
      await expect
        .poll(async () => {
          await pod.client.agent.onlineCPUMem({});
          return Number((await limits(running))[0]);
        })
        .toBeGreaterThan(Number(before[0]) + 200 * MIB);
      expect(await limits(running)).toEqual(await expected());
      expect((await limits(limited))[1], "what the spec says").toBe(String(64 * MIB));
      const spared = await startSpared(pod, rootfs);
      await checked("memory plugged in", () => expectNeighboursWell(machine, rootfs, running));
      await spared.remove();
      for (const one of [running, limited]) await pod.remove(one);
    });
  },
);
