import { describe, expect, it } from "vitest";
import { oneContainer, openHost, terminalContainer, threeContainers } from "../hosts/host-life.ts";
import { hosts } from "../hosts/hosts.ts";
import { kubeletPod } from "../hosts/kubelet-pod.ts";
import { manyOutputs } from "../hosts/many-outputs.ts";
import { startGuestMachine } from "./guest-machine.ts";

/** Whether the pod's containers share their pid namespace; on the host (test/agent) each of them does both. */
const SHARES_PID = { "go-shim": true, "runtime-rs": false } as const;

describe.each(hosts)("%s and a real guest", (kind, make) => {
  it("runs a pod of three containers, single ones with all that a shim can ask for, and a pod of a kubelet", async () => {
    await using machine = await startGuestMachine();
    const host = await openHost(machine, make);
    await threeContainers(machine, kind, host, SHARES_PID[kind]);
    await oneContainer(machine, kind, host);
    await terminalContainer(machine, kind, host);
    await kubeletPod(machine, kind, host, kind === "runtime-rs");
    await manyOutputs(machine, kind, host, { echoes: 30, bursts: 10, containers: 3 });
    await host.end();
    expect(host.calls.checks.length).toBeGreaterThan(0);
  });
});
