import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GUEST_QUOTAS } from "../../../agent/guest/guest-quotas.ts";
import { Pod } from "../../scenarios/pod.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { buildHog } from "./testing/build-hog.ts";
import { type Attack, startGreedy } from "./testing/greedy-container.ts";
import { expectNeighboursWell, whileChecking } from "./testing/neighbours.ts";
import { buildCapable, startSpared } from "./testing/spared-container.ts";

/** Values that the kernel would choose for a much smaller guest, so that an attacker exhausts them soon. */
const SMALL = {
  "fs.epoll.max_user_watches": 2500,
  "fs.inotify.max_user_instances": 8,
  "fs.inotify.max_user_watches": 500,
  "fs.file-max": 4000,
  "user.max_mnt_namespaces": 64,
  "user.max_cgroup_namespaces": 64,
};

/** Each attack takes more than the quota: `most` is never reached if the quota applies. */
const ATTACKS: readonly (Attack & { readonly most: number })[] = [
  { resource: "epoll", most: 6000 },
  { resource: "inotify", most: 2500 },
  { resource: "inotify-instance", most: 200 },
  { resource: "mount-ns", most: 400, inUser: true },
  { resource: "cgroup-ns", most: 400, inUser: true },
  { resource: "file", most: 6000, workers: 3 },
];

describe("a container that takes all it can get of what the kernel counts per uid", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let pod: Pod;
  let rootfs: string;
  let running: string;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { kernelArgs: ["agent.guest_sysctl=off"] });
    for (const [name, value] of Object.entries(SMALL)) await machine.shell(`sysctl -w ${name}=${value}`);
    pod = await Pod.open(machine);
    rootfs = machine.rootfs("hog");
    buildHog(`${machine.hostPath(rootfs)}/bin/hog`);
    buildCapable(`${machine.hostPath(rootfs)}/bin/capable`);
    running = await pod.start(["sleep", "1000"], { Root: { Path: rootfs } });
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  it("meets no quota: CreateSandbox has raised them, also with agent.guest_sysctl=off", async () => {
    const files = GUEST_QUOTAS.map(([name]) => `/proc/sys/${name.replaceAll(".", "/")}`);
    const values = (await machine.shell(`cat ${files.join(" ")}`)).trim().split("\n");
    expect(GUEST_QUOTAS.map(([name], at) => [name, values[at]])).toEqual(GUEST_QUOTAS);
  });

  it.each(ATTACKS)("affects no creation, exec, kill or removal of another container with $resource", async (attack) => {
    const { result: greedy } = await whileChecking(pod.client, () => startGreedy(pod, rootfs, attack));
    expect(greedy).toMatchObject({ error: "-" });
    expect(greedy.taken).toBeGreaterThanOrEqual(attack.most);
    await whileChecking(pod.client, () => expectNeighboursWell(machine, rootfs, running));
    await greedy.remove();
  });

  it("gets 256 ptys, and none of another container's", async () => {
    const { result: greedy } = await whileChecking(pod.client, () => startGreedy(pod, rootfs, { resource: "pty" }));
    expect(greedy).toMatchObject({ taken: 256, error: "ENOSPC" });
    await whileChecking(pod.client, () => expectNeighboursWell(machine, rootfs, running));
    const terminal = pod.exec(greedy.id, ["tty"], { Terminal: true });
    await expect(terminal).rejects.toThrow("open terminal: all ptys that the container's devpts allows are in use");
    await greedy.remove();
  });

  it("leaves the ptys of others if it takes those of a devpts mounted in its user namespace", async () => {
    const { result: greedy } = await whileChecking(pod.client, () =>
      startGreedy(pod, rootfs, { resource: "own-pty", inUser: true }),
    );
    expect(greedy).toMatchObject({ taken: 1023, error: "ENOSPC" });
    await whileChecking(pod.client, () => expectNeighboursWell(machine, rootfs, running));
    await greedy.remove();
  });

  it("leaves the guest and others enough memory if it locks memory without a limit and is spared by the OOM killer", async () => {
    const before = await machine.shell("pidof node");
    {
      await using _spared = await startSpared(pod, rootfs);
      await whileChecking(pod.client, () => expectNeighboursWell(machine, rootfs, running));
    }
    expect(await machine.shell("pidof node"), "the agent is the same").toBe(before);
  });

  it("does not prevent a killed agent from restarting", async () => {
    const greedy = [];
    for (const attack of ATTACKS.slice(0, 3)) greedy.push(await startGreedy(pod, rootfs, attack));
    await machine.killAgent();
    await whileChecking(pod.client, () => expectNeighboursWell(machine, rootfs, running));
    for (const container of greedy) await container.remove();
  });
});
