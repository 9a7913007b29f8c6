import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./host-agent.ts";

const reason = whyNoNamespaces();
/** init waits longer before each new start, so few kills for each machine. */
const MACHINES = 5;
const KILLS = 4;

/** All containers use it: it is mounted with the first and gone with the last. */
const STORAGE = { driver: "ephemeral", source: "shared", fstype: "tmpfs", mount_point: "/run/shared-by-containers" };

/** What a host was told: these must be there, whatever happens to the agent. */
interface Told {
  readonly code: number;
  started: boolean;
  readonly execs: Map<string, number>;
}

describe(`an agent that is killed at any moment${reason === undefined ? "" : ` (skipped: ${reason})`}`, {
  skip: reason !== undefined,
}, () => {
  it.each(Array.from({ length: MACHINES }, (_, seed) => seed + 1))(
    `loses no container and no exit status in ${KILLS} kills of a mixed load (%i)`,
    async (seed) => {
      await using machine = await startHostAgent();
      const random = randomFrom(seed);
      const rootfs = machine.rootfs("all");
      const told = new Map<string, Told>();
      let pod = await Pod.open(machine, await machine.connect());
      const traces = () =>
        machine.shell("find /sys/fs/cgroup -mindepth 1 -name 'c-*'; ls /run/guestd/containers; cat /proc/mounts");
      const before = await traces();
      let checked = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        const load = Promise.allSettled([0, 1, 2].map((worker) => work(pod, rootfs, told, worker)));
        // However slow the machine is, each kill has a container to lose.
        while (told.size === 0) await sleep(2);
        await sleep(random() * 150);
        await machine.killAgent();
        await pod.client.close();
        await load;
        pod = new Pod(machine, await machine.connect());
        checked += told.size;
        await check(pod, told);
      }
      await expect.poll(traces, { timeout: 5000, interval: 100 }).toBe(before);
      expect(checked, "containers to check").toBeGreaterThanOrEqual(KILLS);
      await pod.client.close();
    },
    60_000,
  );
});

/** Creates, starts, executes, removes, until the connection goes. Writes down what it was told. */
async function work(pod: Pod, rootfs: string, told: Map<string, Told>, worker: number): Promise<void> {
  for (let round = 1; ; round++) {
    const code = worker * 50 + (round % 50);
    const id = `c-${worker}-${round}-${Date.now().toString(36)}`;
    const OCI = ociSpec(rootfs, ["sh", "-c", `sleep 0.${1 + (round % 3)}; exit ${code}`]);
    await pod.client.agent.createContainer({ container_id: id, OCI, storages: [STORAGE] });
    const mine: Told = { code, started: false, execs: new Map() };
    told.set(id, mine);
    const exec = await pod.exec(id, ["sh", "-c", `exit ${code + 1}`]);
    mine.execs.set(exec, code + 1);
    await pod.client.agent.startContainer({ container_id: id });
    mine.started = true;
    if (round % 3 !== 0) continue;
    expect((await pod.client.agent.waitProcess({ container_id: id, exec_id: id })).status).toBe(code);
    told.delete(id); // from here on it may be gone
    await pod.remove(id);
  }
}

/** Everything that was told is true for the next agent; then all is removed, also what nobody was told of. */
async function check(pod: Pod, told: Map<string, Told>): Promise<void> {
  const { agent } = pod.client;
  for (const [container_id, { code, started, execs }] of told) {
    for (const [exec_id, status] of execs) {
      expect(await agent.waitProcess({ container_id, exec_id }), `${container_id} ${exec_id}`).toMatchObject({
        status,
      });
    }
    // The answer of a start may have been lost with the agent.
    if (!started) await agent.startContainer({ container_id }).catch(() => undefined);
    expect(await agent.waitProcess({ container_id, exec_id: "" }), container_id).toMatchObject({ status: code });
  }
  for (const file of (await pod.machine.shell("ls /run/guestd/containers")).trim().split("\n")) {
    if (file !== "") await agent.removeContainer({ container_id: file.replace(/\.json$/, "") }).catch(notFound);
  }
  told.clear();
}

/** A creation that was cut off is taken away by the agent itself. */
function notFound(error: { kind?: string }): void {
  if (error.kind !== "not-found") throw error;
}

/** xorshift: the same moments each time. */
function randomFrom(seed: number): () => number {
  let state = seed * 2_654_435_761;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
