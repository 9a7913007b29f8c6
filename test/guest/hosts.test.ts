import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { oneContainer, openHost, terminalContainer, threeContainers } from "../hosts/host-life.ts";
import { hosts } from "../hosts/hosts.ts";
import type { KataHost } from "../hosts/kata-host.ts";
import { kubeletPod } from "../hosts/kubelet-pod.ts";
import { manyOutputs } from "../hosts/many-outputs.ts";
import { grownContainer, hungryContainer, lastMessage } from "../hosts/sized-life.ts";
import { startGuestMachine } from "./guest-machine.ts";
import { NETWORK_CARD } from "./network-card.ts";
import { plugMemory } from "./plug-memory.ts";
import { plugProcessor } from "./plug-processor.ts";

describe.each(hosts)("%s and a real guest", (kind, make) => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let host: KataHost;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { hotplug: true, qemuArgs: NETWORK_CARD });
    host = await openHost(machine, make);
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  // The first container of a sandbox has the pid namespace that is shared.
  it.each([true, false])("a pod of three containers, its pid namespace shared: %s", (sharePid) =>
    threeContainers(machine, kind, host, sharePid),
  );

  it("single containers with all that a shim can ask for", async () => {
    await oneContainer(machine, kind, host);
    await terminalContainer(machine, kind, host);
  });

  it("a pod of a kubelet", () => kubeletPod(machine, kind, host, kind === "runtime-rs"));

  it("every byte of many short processes", () =>
    manyOutputs(machine, kind, host, { echoes: 30, bursts: 10, containers: 3 }));

  it("an OOM event, where there was one, and the last message of a container", async () => {
    expect(host.oomEvents).toEqual([]);
    await hungryContainer(machine, kind, host);
    await lastMessage(machine, kind, host);
  });

  it("a processor and memory that were plugged in, and the end", async () => {
    await using qmp = await machine.guest.qmp();
    await grownContainer(machine, kind, host, { processors: 1, total: 2, mib: 256 }, async ({ mib }) => {
      await plugProcessor(qmp, "cpu1");
      await plugMemory(qmp, "dimm1", mib);
    });
    await host.end();
    const { checks, made } = host.calls;
    expect(checks.length).toBeGreaterThan(0);
    const versions = made.filter(({ name }) => name === "version").length;
    expect(versions).toBe(kind === "runtime-rs" ? Math.floor(checks.length / 10) : 0);
  });
});
