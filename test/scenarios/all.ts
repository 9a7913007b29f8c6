import { afterAll, beforeAll, describe, it } from "vitest";
import { cdiScenarios } from "./cdi.ts";
import { cgroupScenarios } from "./cgroup-paths.ts";
import { confinementScenarios } from "./confinement.ts";
import { containerScenarios } from "./containers.ts";
import { copyFileScenarios } from "./copy-file.ts";
import type { CurrentPod } from "./current-pod.ts";
import { defaultSeccompScenarios } from "./default-seccomp.ts";
import { deviceFilterScenarios } from "./device-filter.ts";
import { deviceScenarios } from "./devices.ts";
import { enduranceScenarios } from "./endurance.ts";
import { errorTableScenarios } from "./error-table.ts";
import { fullDiskScenarios } from "./full-disk.ts";
import { guestCallScenarios } from "./guest-calls.ts";
import { hookFailureScenarios } from "./hook-failures.ts";
import { hookScenarios } from "./hooks.ts";
import { hostileScenarios } from "./hostile.ts";
import { idmappedBinds, tmpfsSource } from "./idmapped-binds.ts";
import { imagePullScenarios } from "./image-pull.ts";
import { limitScenarios } from "./limits.ts";
import { lostConnections } from "./lost-connections.ts";
import type { Machine } from "./machine.ts";
import { mountScenarios } from "./mounts.ts";
import { namespaceScenarios } from "./namespaces.ts";
import { namespacesByPath } from "./namespaces-by-path.ts";
import { observationScenarios } from "./observation.ts";
import { oomScenarios } from "./oom.ts";
import { openPollScenario } from "./open-poll.ts";
import { pauseScenarios } from "./pause.ts";
import { Pod } from "./pod.ts";
import { processEndScenarios } from "./process-ends.ts";
import { processFieldScenarios } from "./process-fields.ts";
import { processScenarios } from "./processes.ts";
import { refusalScenarios } from "./refusals.ts";
import { resourceScenarios } from "./resources.ts";
import { seccompScenarios } from "./seccomp.ts";
import { sharedMountScenarios } from "./shared-mounts.ts";
import { specFieldScenarios } from "./spec-fields.ts";
import { statisticsScenarios } from "./statistics.ts";
import { storageScenarios } from "./storages.ts";
import { tracedExecScenarios } from "./traced-execs.ts";
import { updateScenarios } from "./update.ts";

type Protocol = "ttrpc" | "grpc";

type Options = {
  /** Cgroups have controllers there. */
  readonly limits: boolean;
};

/** Every scenario of one protocol: what a host sees must not depend on it. */
export function scenariosOver(protocol: Protocol, machine: () => Machine, options: Options): void {
  inOnePod(protocol, machine, (pod) => {
    callScenarios(pod, protocol, machine, options);
    launchScenarios(pod, options);
  });
}

/** What containers and their processes do: enough to see that a protocol works there. */
export function containerScenariosOver(protocol: Protocol, machine: () => Machine): void {
  inOnePod(protocol, machine, (pod) => {
    describe("containers", () => containerScenarios(pod));
    describe("ends of processes", () => processEndScenarios(pod));
  });
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

function callScenarios(pod: () => Pod, protocol: Protocol, machine: () => Machine, { limits }: Options): void {
  describe("containers", () => containerScenarios(pod));
  describe("copied files", () => copyFileScenarios(pod));
  describe("observation", () => observationScenarios(pod));
  describe("refusals", () => refusalScenarios(pod));
  it("connections that die while they read, wait and poll lose nothing", () =>
    lostConnections(machine(), { protocol }));
  describe("table of errors", () => errorTableScenarios(pod));
  describe("pause and resume", () => pauseScenarios(pod));
  describe("ends of processes", () => processEndScenarios(pod));
  describe("calls to the guest", () => guestCallScenarios(pod));
  describe("storages", () => storageScenarios(pod));
  if (!limits) return;
  describe("updates", () => updateScenarios(pod));
  describe("statistics", () => statisticsScenarios(pod));
  describe("OOM events", () => oomScenarios(pod));
}

function launchScenarios(pod: () => Pod, { limits }: Options): void {
  describe("fields of the spec", () => specFieldScenarios(pod));
  describe("devices", () => deviceScenarios(pod));
  describe("CDI devices", () => cdiScenarios(pod));
  describe("fields of the process", () => processFieldScenarios(pod));
  describe("device filter", () => deviceFilterScenarios(pod));
  describe("difficult processes", () => processScenarios(pod));
  describe("execs that could be traced", () => tracedExecScenarios(pod));
  describe("hooks", () => hookScenarios(pod));
  describe("hooks that fail", () => hookFailureScenarios(pod));
  describe("seccomp", () => seccompScenarios(pod));
  describe("default seccomp", () => defaultSeccompScenarios(pod));
  describe("confinement", () => confinementScenarios(pod));
  describe("namespaces", () => namespaceScenarios(pod));
  describe("namespaces by path", () => namespacesByPath(pod));
  describe("cgroups", () => cgroupScenarios(pod));
  describe("shared mounts", () => sharedMountScenarios(pod));
  describe("mounts", () => mountScenarios(pod));
  // Those of the guest's disks: test/guest/devices.test.ts.
  it("an idmapped bind of a tmpfs shows the ids of its maps, where the kernel has such", (context) =>
    idmappedBinds(pod(), tmpfsSource(), context));
  if (!limits) return;
  describe("limits", () => limitScenarios(pod));
  describe("resources", () => resourceScenarios(pod));
}

/** Frames are ttRPC's; those of gRPC are HTTP/2's, which Node reads. */
export function hostileFrames(machine: () => Machine): void {
  describe("hostile frames", () => hostileScenarios(machine));
}

/** Those in which the agent dies, disks are full and containers go. */
export function lastScenarios(protocol: Protocol, machine: () => Machine, { limits }: Options): void {
  describe(`when things end, over ${protocol}`, () => {
    const current = { options: { protocol } } as CurrentPod;
    beforeAll(async () => {
      current.pod = await Pod.open(machine(), await machine().connect(current.options));
    });
    afterAll(() => current.pod?.client.close());
    describe("a full disk", () => fullDiskScenarios(() => current.pod));
    describe("images that the guest gets", () => imagePullScenarios(current));
    enduranceScenarios(current);
    // A gRPC connection ends with its agent; in namespaces memory may have no limits.
    if (limits && protocol === "ttrpc") openPollScenario(() => current.pod);
  });
}
