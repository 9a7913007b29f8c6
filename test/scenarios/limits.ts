import { copyFileSync } from "node:fs";
import { expect, it } from "vitest";
import { buildProbe } from "./build-probe.ts";
import type { Pod } from "./pod.ts";

const MIB = 1 << 20;
const limited = (memory: object, cpu: object = {}, pids: object = {}) => ({
  Linux: {
    Namespaces: [{ Type: "mount" }, { Type: "ipc" }, { Type: "uts" }],
    CgroupsPath: `/pod/limited-${Date.now().toString(36)}`,
    Resources: { Memory: memory, CPU: cpu, Pids: pids },
  },
});

/** Scenarios of limits in a real cgroup. */
export function limitScenarios(pod: () => Pod): void {
  it("limits are in the cgroup's files, below the host's path", async () => {
    const parts = limited({ Limit: 64 * MIB }, { Shares: 1024, Quota: 50_000, Period: 100_000 }, { Limit: 50 });
    const id = await pod().start(["sleep", "1000"], parts);
    const files = "memory.max cpu.weight cpu.max pids.max";
    const text = await pod().machine.shell(`cd /sys/fs/cgroup/containers${parts.Linux.CgroupsPath} && cat ${files}`);
    expect(text).toBe(`${64 * MIB}\n${pod().runtime.weightOf1024Shares}\n50000 100000\n50\n`);
    await pod().remove(id);
    const left = await pod().machine.shell(
      `ls -d /sys/fs/cgroup/containers${parts.Linux.CgroupsPath} 2>/dev/null || echo gone`,
    );
    expect(left).toBe("gone\n");
  });

  it("the agent responds while a fork bomb runs, and RemoveContainer ends it", async () => {
    const { machine } = pod();
    const rootfs = machine.rootfs(`bomb-${Date.now().toString(36)}`);
    copyFileSync(buildProbe(), `${machine.hostPath(rootfs)}/bin/probe`);
    const parts = { ...limited({}, {}, { Limit: 16 }), Root: { Path: rootfs } };
    const cgroup = `/sys/fs/cgroup/containers${parts.Linux.CgroupsPath}`;
    const id = await pod().start(["sleep", "1000"], parts);
    await pod().exec(id, ["probe", "bomb"]);
    const refused = async () => Number((await pod().machine.shell(`cat ${cgroup}/pids.events`)).split(" ")[1]);
    let before = 0;
    for (let round = 0; round < 2; round++) {
      await expect.poll(refused).toBeGreaterThan(before + 10);
      before = await refused();
      expect((await pod().client.health.check({})).status).toBe(1);
    }
    await pod().remove(id);
    expect(await pod().machine.shell(`ls -d ${cgroup} 2>/dev/null || echo gone`)).toBe("gone\n");
  });
}

/** Scenarios of the limits that another runtime sets; the conformance suite has those of the built-in one. */
export function runtimeLimitScenarios(pod: () => Pod): void {
  limitScenarios(pod);

  it("a memory limit kills, and GetOOMEvent reports the container each time", async () => {
    const { agent } = pod().client;
    const event = agent.getOOMEvent({}, { timeoutMs: 60_000 });
    const eat = "x=0123456789abcdef; while :; do x=$x$x; done";
    const id = await pod().start(["sleep", "1000"], limited({ Limit: 24 * MIB }));
    const first = await pod().execute(id, ["sh", "-c", eat]);
    expect(first.status).toBe(137);
    expect((await event).container_id).toBe(id);
    const again = agent.getOOMEvent({}, { timeoutMs: 60_000 });
    expect((await pod().execute(id, ["sh", "-c", eat])).status).toBe(137);
    expect((await again).container_id).toBe(id);
    const { cgroup_stats } = await agent.statsContainer({ container_id: id });
    expect(cgroup_stats?.memory_stats?.usage?.limit).toBe(24 * MIB);
    await pod().remove(id);
  });

  it("a fork bomb stays inside its pids limit, and RemoveContainer ends all processes", async () => {
    const id = await pod().start(["sleep", "1000"], limited({}, {}, { Limit: 8 }));
    const { stderr } = await pod().execute(id, ["sh", "-c", "while :; do sleep 1000 & done"]);
    expect(stderr.toString()).toMatch(/can't fork/);
    const { cgroup_stats } = await pod().client.agent.statsContainer({ container_id: id });
    expect(cgroup_stats?.pids_stats).toMatchObject({ current: 7, limit: 8 });
    await pod().remove(id);
  });
}
