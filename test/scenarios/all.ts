import { afterAll, beforeAll, describe, it } from "vitest";
import { cdiScenarios } from "./cdi.ts";
import { cgroupScenarios } from "./cgroup-paths.ts";
import { confinementScenarios } from "./confinement.ts";
import { hostDataScenarios } from "./containers.ts";
import { copyFileScenarios } from "./copy-file.ts";
import type { CurrentPod } from "./current-pod.ts";
import { defaultSeccompScenarios } from "./default-seccomp.ts";
import { deviceFilterScenarios } from "./device-filter.ts";
import { deviceScenarios } from "./devices.ts";
import { enduranceScenarios } from "./endurance.ts";
import { execConfinement } from "./exec-confinement.ts";
import { fullDiskScenarios } from "./full-disk.ts";
import { guestCallScenarios } from "./guest-calls.ts";
import { hookFailureScenarios } from "./hook-failures.ts";
import { hookScenarios } from "./hooks.ts";
import { hugePages } from "./huge-pages.ts";
import { idmappedBinds, tmpfsSource } from "./idmapped-binds.ts";
import { imagePullScenarios } from "./image-pull.ts";
import { innerCgroup } from "./inner-cgroup.ts";
import { limitScenarios } from "./limits.ts";
import { lostConnections } from "./lost-connections.ts";
import type { Machine } from "./machine.ts";
import { mountScenarios } from "./mounts.ts";
import { namespaceScenarios } from "./namespaces.ts";
import { namespacesByPath } from "./namespaces-by-path.ts";
import { observationScenarios } from "./observation.ts";
import { openPollScenario } from "./open-poll.ts";
import { Pod } from "./pod.ts";
import { processEndScenarios } from "./process-ends.ts";
import { processFieldScenarios } from "./process-fields.ts";
import { processScenarios } from "./processes.ts";
import { refusalScenarios } from "./refusals.ts";
import { resourceScenarios } from "./resources.ts";
import { seccompScenarios } from "./seccomp.ts";
import { sharedMountScenarios } from "./shared-mounts.ts";
import { statisticsScenarios } from "./statistics.ts";
import { storageScenarios } from "./storages.ts";
import { tracedExecScenarios } from "./traced-execs.ts";
import { updateScenarios } from "./update.ts";

type Protocol = "ttrpc" | "grpc";

/** Scenarios by what decides their results: the agent alone, the kernel too, or the machine. */
type Part = "agent" | "kernel" | "machine";

type Options = {
  /** True if cgroup controllers are available on the machine. */
  readonly limits: boolean;
  /** Default: all. */
  readonly parts?: readonly Part[];
};

/**
 * Registers the scenarios over one protocol. Results must be the same over both. The cases of the conformance suite, which
 * test/namespaces and test/nightly run, are not repeated here.
 */
export function scenariosOver(protocol: Protocol, machine: () => Machine, options: Options): void {
  const { parts = ["agent", "kernel", "machine"] } = options;
  inOnePod(protocol, machine, (pod) => {
    if (parts.includes("agent")) agentScenarios(pod, protocol, machine);
    if (parts.includes("kernel")) kernelScenarios(pod);
    if (parts.includes("machine")) machineScenarios(pod, options);
  });
}

/** Registers the scenarios of data that passes between a host and a container. */
export function hostDataOver(protocol: Protocol, machine: () => Machine): void {
  inOnePod(protocol, machine, (pod) => describe("data of a host", () => hostDataScenarios(pod)));
}

function inOnePod(protocol: Protocol, machine: () => Machine, scenarios: (pod: () => Pod) => void): void {
  describe(`over ${protocol}`, () => {
    let pod: Pod;
    beforeAll(async () => {
      pod = await Pod.open(machine(), await machine().connect({ protocol }));
    });
    afterAll(() => pod?.client.close());
    scenarios(() => pod);
  });
}

function agentScenarios(pod: () => Pod, protocol: Protocol, machine: () => Machine): void {
  it("connections that die during reads, waits and polls lose no data", () => lostConnections(machine(), { protocol }));
  describe("CopyFile", () => copyFileScenarios(pod));
  describe("observation", () => observationScenarios(pod));
  describe("refusals", () => refusalScenarios(pod));
  describe("how processes end", () => processEndScenarios(pod));
  execConfinement(pod);
  describe("CDI devices", () => cdiScenarios(pod));
  describe("fields of the process", () => processFieldScenarios(pod));
  describe("difficult processes", () => processScenarios(pod));
  describe("hooks", () => hookScenarios(pod));
  describe("failing hooks", () => hookFailureScenarios(pod));
  describe("namespaces by path", () => namespacesByPath(pod));
  describe("shared mounts", () => sharedMountScenarios(pod));
  describe("calls on the guest", () => guestCallScenarios(pod));
}

function kernelScenarios(pod: () => Pod): void {
  describe("execs that a container's process could trace", () => tracedExecScenarios(pod));
  describe("seccomp", () => seccompScenarios(pod));
  describe("the default seccomp filter", () => defaultSeccompScenarios(pod));
  describe("namespaces", () => namespaceScenarios(pod));
  describe("mounts", () => mountScenarios(pod));
  describe("storages", () => storageScenarios(pod));
  describe("devices", () => deviceScenarios(pod));
  describe("the device filter", () => deviceFilterScenarios(pod));
  describe("cgroups", () => cgroupScenarios(pod));
  // Binds from the guest's disks are in test/nightly/vm/devices.test.ts and test/nightly/devices.test.ts.
  it("an idmapped bind of a tmpfs shows the mapped ids if the kernel supports it", (context) =>
    idmappedBinds(pod(), tmpfsSource(), { context }));
}

function machineScenarios(pod: () => Pod, { limits }: Options): void {
  hugePages(pod);
  describe("confinement", () => confinementScenarios(pod));
  if (!limits) return;
  innerCgroup(pod);
  describe("updates", () => updateScenarios(pod));
  describe("statistics", () => statisticsScenarios(pod));
  describe("limits", () => limitScenarios(pod));
  describe("resources", () => resourceScenarios(pod));
}

/** Registers the scenarios that must run last: the agent dies, disks fill up, containers are removed. */
export function lastScenarios(protocol: Protocol, machine: () => Machine, { limits }: Options): void {
  describe(`failures and removals, over ${protocol}`, () => {
    const current = { options: { protocol } } as CurrentPod;
    beforeAll(async () => {
      current.pod = await Pod.open(machine(), await machine().connect(current.options));
    });
    afterAll(() => current.pod?.client.close());
    describe("a full disk", () => fullDiskScenarios(() => current.pod));
    describe("images pulled in the guest", () => imagePullScenarios(current));
    enduranceScenarios(current);
    // A gRPC connection ends with its agent; in namespaces memory limits may be unavailable.
    if (limits && protocol === "ttrpc") openPollScenario(() => current.pod);
  });
}
