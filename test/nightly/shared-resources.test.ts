import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildHog } from "../attack/vm/testing/build-hog.ts";
import { type Attack, startGreedy } from "../attack/vm/testing/greedy-container.ts";
import { expectNeighboursWell, whileChecking } from "../attack/vm/testing/neighbours.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

const volume = [{ destination: "/vol", source: "/run/vol", type: "bind", options: ["rbind", "rw"] }];
const cgroup = [{ destination: "/sys/fs/cgroup", source: "cgroup", type: "cgroup", options: ["rw"] }];

/** The longest that a host waits for Check, whatever a container does. */
const PROMISED_MS = 1000;

/** Reports of an attacker that the kernel blocks or kills at its own memory limit before it can print what it got. */
const NO_REPORT = new Set(["silent", "ended"]);

/** The rows of docs/shared-resources.md that take long, or that end at the attacker's own memory limit. */
const ATTACKS: readonly (Attack & { readonly bound?: number })[] = [
  { resource: "aio" },
  { resource: "block", mounts: volume, directory: "/vol" },
  { resource: "cgroup", mounts: cgroup, bound: 512 },
  { resource: "exits", workers: 4 },
  { resource: "flood", workers: 2 },
  { resource: "inode", mounts: volume, directory: "/vol" },
  { resource: "ipc-ns", inUser: true },
  { resource: "key", bound: 20_000 },
  { resource: "key-bytes", bound: 20_000 },
  { resource: "net-ns", inUser: true },
  { resource: "oom", workers: 4 },
  { resource: "pid-ns", inUser: true },
  { resource: "pipe", workers: 4 },
  { resource: "process" },
  { resource: "queue" },
  { resource: "signal", most: 5000 },
  { resource: "socket", workers: 2 },
  { resource: "spin", workers: 50 },
  { resource: "timer", most: 5000 },
  { resource: "user-ns", inUser: true },
  { resource: "uts-ns", inUser: true },
  { resource: "vsock", workers: 2 },
];

describe("a container of 64 MiB that takes all it can get of one resource", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let pod: Pod;
  let rootfs: string;
  let running: string;
  const answers: [attack: string, taking: number, holding: number][] = [];
  beforeAll(async () => {
    machine = await startGuestMachine(512);
    pod = await Pod.open(machine);
    rootfs = machine.rootfs("hog");
    buildHog(`${machine.hostPath(rootfs)}/bin/hog`);
    running = await pod.start(["sleep", "1000"], { Root: { Path: rootfs } });
    await machine.shell("mkdir -m 1777 /run/vol");
  });
  afterAll(async () => {
    const rows = answers.map(([attack, ...ms]) => `${attack} ${ms.map((each) => each.toFixed(0)).join(" ")}`);
    console.log(`Slowest response to Check while the attacker takes and while it holds, ms:\n${rows.join("\n")}`);
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  const limitReached = async (container_id: string) =>
    Number((await pod.client.agent.statsContainer({ container_id })).cgroup_stats?.memory_stats?.usage?.failcnt);

  it.each(ATTACKS)("affects no creation, exec, kill or removal of another container ($resource)", async (attack) => {
    const { slowest: taking, result: greedy } = await whileChecking(pod.client, () => startGreedy(pod, rootfs, attack));
    if (attack.most !== undefined) expect(greedy).toMatchObject({ error: "-" });
    if (attack.bound !== undefined) expect(greedy.error).not.toBe("silent");
    expect(greedy.taken).toBeLessThanOrEqual(attack.bound ?? Number.MAX_SAFE_INTEGER);
    if (NO_REPORT.has(greedy.error))
      expect(await limitReached(greedy.id), "times it reached its memory limit").not.toBe(0);
    const { slowest: holding } = await whileChecking(pod.client, () => expectNeighboursWell(machine, rootfs, running));
    answers.push([attack.resource, taking, holding]);
    expect(Math.max(taking, holding)).toBeLessThan(PROMISED_MS);
    await greedy.remove();
    await machine.shell("rm -rf /run/vol/*");
  });
});
