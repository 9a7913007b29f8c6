import { expect, it } from "vitest";
import type { Pod } from "./pod.ts";
import { withResources } from "./resources.ts";

const MIB = 1 << 20;
const EAT = "x=0123456789abcdef; while :; do x=$x$x; done";

/** What GetOOMEvent tells, beyond the plain case in limits.ts. In a real guest only. */
export function oomScenarios(pod: () => Pod): void {
  const next = async () => (await pod().client.agent.getOOMEvent({}, { timeoutMs: 60_000 })).container_id;
  const limit = { Memory: { Limit: 24 * MIB } };

  it("memory.oom.group: one kill takes the whole container, which is told", async () => {
    const id = await pod().start(["sleep", "1000"], withResources({ ...limit, Unified: { "memory.oom.group": "1" } }));
    const event = next();
    const exec_id = await pod().exec(id, ["sh", "-c", EAT]);
    for (const one of [id, exec_id]) {
      expect((await pod().client.agent.waitProcess({ container_id: id, exec_id: one })).status).toBe(137);
    }
    expect(await event).toBe(id);
    // The kernel counts each process of the group, so there may be one more.
    const more = pod().client.agent.getOOMEvent({}, { timeoutMs: 500 });
    expect(await more.catch(() => ({ container_id: id }))).toMatchObject({ container_id: id });
    await pod().remove(id);
  });

  it("a kill in a nested cgroup is told of its container, and the nested cgroup goes with it", async () => {
    const id = await pod().start(["sleep", "1000"], withResources(limit));
    const event = next();
    const line = `mkdir -p /sys/fs/cgroup/a/b && echo 0 > /sys/fs/cgroup/a/b/cgroup.procs && ${EAT}`;
    const { status, stderr } = await pod().execute(id, ["sh", "-c", line]);
    expect([stderr.toString(), status]).toEqual(["", 137]);
    expect(await event).toBe(id);
    await pod().remove(id);
    expect(await pod().machine.shell(`ls -d /sys/fs/cgroup/containers/${id} 2>/dev/null || echo gone`)).toBe("gone\n");
  });

  it("many containers: each one's kill is told, none twice", async () => {
    const ids = await Promise.all(
      Array.from({ length: 4 }, () => pod().start(["sh", "-c", EAT], withResources(limit))),
    );
    const told = [await next(), await next(), await next(), await next()];
    expect(told.toSorted()).toEqual(ids.toSorted());
    await expect(pod().client.agent.getOOMEvent({}, { timeoutMs: 500 })).rejects.toMatchObject({ code: 4 });
    for (const id of ids) await pod().remove(id);
  });
}
