import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryBounds } from "../../agent/container/cgroup/memory-bounds.ts";
import { buildHog } from "../attack/vm/testing/build-hog.ts";
import { expectNeighboursWell, whileChecking } from "../attack/vm/testing/neighbours.ts";
import { buildCapable, startSpared } from "../attack/vm/testing/spared-container.ts";
import { guestMemory } from "../scenarios/guest-memory.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";
import { plugMemory } from "../vm/testing/plug-memory.ts";

/** The longest that a host may wait for Check, whatever a container does. */
const PROMISED_MS = 1000;
/** Time for which two attackers at once are watched. */
const TWO_MS = 3000;
const MIB = 1 << 20;

/**
 * Registers a guest with the attacker's programs and a running neighbour. Measures Check, and prints the slowest
 * responses at the end.
 */
function openGuest(mib: number) {
  const slowest: string[] = [];
  const opened = {
    machine: {} as Awaited<ReturnType<typeof startGuestMachine>>,
    pod: {} as Pod,
    rootfs: "",
    running: "",
  };
  beforeAll(async () => {
    const machine = await startGuestMachine(mib, { hotplug: true, runtimes: ["crun", "runc"] });
    const rootfs = machine.rootfs("spared");
    buildHog(`${machine.hostPath(rootfs)}/bin/hog`);
    buildCapable(`${machine.hostPath(rootfs)}/bin/capable`);
    const pod = await Pod.open(machine);
    const running = await pod.start(["sleep", "1000"], { Root: { Path: rootfs } });
    Object.assign(opened, { machine, pod, rootfs, running });
  });
  afterAll(async () => {
    console.log(`${mib} MiB, slowest response to Check, ms: ${slowest.join(", ")}`);
    await opened.pod.client?.close();
    await opened.machine[Symbol.asyncDispose]?.();
  });
  return {
    opened,
    async checked<T>(what: string, work: () => Promise<T>): Promise<T> {
      const { slowest: ms, result } = await whileChecking(opened.pod.client, work);
      slowest.push(`${what} ${ms.toFixed(0)}`);
      // Soft: the attacker is removed all the same.
      expect.soft(ms, "milliseconds until Check was answered").toBeLessThan(PROMISED_MS);
      return result;
    },
    async neighboursWell() {
      await expectNeighboursWell(opened.machine, opened.rootfs, opened.running);
    },
    /** Expects the agent to survive `work`. */
    async sameAgent(work: () => Promise<void>) {
      const before = await opened.machine.shell("pidof node");
      await work();
      expect(await opened.machine.shell("pidof node"), "the agent is the same").toBe(before);
    },
  };
}

describe.each([256, 512])(
  "a container that locks memory without a limit and is spared by the OOM killer, in %i MiB,",
  (mib) => {
    const guest = openGuest(mib);
    const { opened } = guest;

    it("doesn't run yet, for comparison", () => guest.checked("no attacker", guest.neighboursWell));

    it.each(["built in", "crun", "runc"])(
      "affects no other container and is removed, if %s creates it",
      async (runtime) => {
        const { machine, pod, rootfs } = opened;
        const by = new Pod(machine, pod.client, runtime === "built in" ? {} : { "guestd.runtime": runtime });
        await guest.sameAgent(async () => {
          await using _spared = await guest.checked(`${runtime}, taking`, () => startSpared(by, rootfs));
          await guest.checked(runtime, async () => {
            await guest.neighboursWell();
            expect((await by.run(["echo", "here"], { Root: { Path: rootfs } })).stdout.toString()).toBe("here\n");
          });
        });
      },
    );

    it("lets a killed agent restart, serve the others and remove it", async () => {
      await using _spared = await startSpared(opened.pod, opened.rootfs);
      await opened.machine.killAgent();
      // A new agent is slower by itself.
      await whileChecking(opened.pod.client, guest.neighboursWell);
    });

    it("has limits that grow with plugged-in memory before OnlineCPUMem is answered", async () => {
      const { machine, pod, rootfs, running } = opened;
      const { Linux } = ociSpec(rootfs, []);
      const Resources = { Memory: { Limit: 64 * MIB } };
      const limited = await pod.start(["sleep", "1000"], { Root: { Path: rootfs }, Linux: { ...Linux, Resources } });
      const limits = async () => {
        const files = ["memory.max", `${running}/memory.max`, `${limited}/memory.max`, "memory.low", "memory.min"];
        return (await machine.shell(`cd /sys/fs/cgroup/containers; cat ${files.join(" ")}`)).trim().split("\n");
      };
      const expected = async () => {
        const { all, one } = memoryBounds(await guestMemory(machine));
        return [String(all), String(one), String(64 * MIB), "max", "max"];
      };
      const before = await guestMemory(machine);
      expect(await limits()).toEqual(await expected());
      await using qmp = await machine.guest.qmp();
      await plugMemory(qmp, "dimm", 256);
      const grown = async () => {
        await pod.client.agent.onlineCPUMem({});
        return (await guestMemory(machine)) - before;
      };
      await expect.poll(grown).toBeGreaterThan(200 * MIB);
      expect(await limits()).toEqual(await expected());
      {
        await using _spared = await startSpared(pod, rootfs);
        await guest.checked("plugged in", guest.neighboursWell);
      }
      await pod.remove(limited);
    });

    it("gets at worst its neighbours killed if there are two: guest and agent live, and both are removed", async () => {
      await guest.sameAgent(async () => {
        await using _first = await startSpared(opened.pod, opened.rootfs);
        await using _second = await startSpared(opened.pod, opened.rootfs, "all");
        await guest.checked("two", () => sleep(TWO_MS));
      });
      expect((await opened.pod.run(["echo", "here"], { Root: { Path: opened.rootfs } })).stdout.toString()).toBe(
        "here\n",
      );
    });
  },
);
