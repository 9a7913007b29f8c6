import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { oneContainer, openHost, terminalContainer, threeContainers } from "../../hosts/host-life.ts";
import type { HostKind } from "../../hosts/host-spec.ts";
import { hosts } from "../../hosts/hosts.ts";
import type { KataHost } from "../../hosts/kata-host.ts";
import { kubeletPod } from "../../hosts/kubelet-pod.ts";
import { manyOutputs, type OutputCounts } from "../../hosts/many-outputs.ts";
import { grownContainer, hungryContainer, lastMessage } from "../../hosts/sized-life.ts";
import { type GuestMachine, startGuestMachine } from "./guest-machine.ts";
import { NETWORK_CARD } from "./network-card.ts";
import { plugMemory } from "./plug-memory.ts";
import { plugProcessor } from "./plug-processor.ts";

interface Extent {
  /** The hosts, each with its pods by whether their containers share a pid namespace. */
  readonly sharePid: Readonly<Partial<Record<HostKind, readonly boolean[]>>>;
  readonly outputs: OutputCounts;
}

/** Registers what Kata hosts do with a guest. */
export function hostsSuite({ sharePid, outputs }: Extent): void {
  describe.each(hosts.filter(([kind]) => sharePid[kind] !== undefined))("%s and a guest", (kind, make) => {
    let machine: GuestMachine;
    let host: KataHost;
    beforeAll(async () => {
      machine = await startGuestMachine(512, { hotplug: true, qemuArgs: NETWORK_CARD });
      host = await openHost(machine, make);
    });
    afterAll(() => machine?.[Symbol.asyncDispose]());

    // The sandbox's first container creates the pid namespace that is shared.
    it.each(sharePid[kind] ?? [])("run a pod of three containers, with a shared pid namespace: %s", (share) =>
      threeContainers(machine, kind, host, share),
    );

    it("run single containers with everything that a shim can request", async () => {
      await oneContainer(machine, kind, host);
      await terminalContainer(machine, kind, host);
    });

    it("run a kubelet's pod", () => kubeletPod(machine, kind, host, kind === "runtime-rs"));

    it("transfer every byte of many short processes", () => manyOutputs(machine, kind, host, outputs));

    it("report an OOM event if one occurred, and a container's termination message", async () => {
      expect(host.oomEvents).toEqual([]);
      await hungryContainer(machine, kind, host);
      await lastMessage(machine, kind, host);
    });

    it("use a processor and memory that were plugged in, and end", async () => {
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
}
