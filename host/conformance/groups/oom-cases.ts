import type { ConformanceCase } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal } from "../check.ts";
import { withResources } from "../oci-spec.ts";

const MIB = 1 << 20;
const LIMITED = { Memory: { Limit: 24 * MIB } };
/** Doubles a string until memory ends. */
const EAT = "x=0123456789abcdef; while :; do x=$x$x; done";
/** Time in which a further event of a kill arrives. */
const MORE_MS = 500;

async function nextEvent({ agent }: CaseContext): Promise<string> {
  return (await agent.getOOMEvent({})).container_id;
}

/** Ends the case unless containers have cgroup v2. */
async function needsCgroup2(context: CaseContext): Promise<void> {
  const version = await context.print("test -e /sys/fs/cgroup/cgroup.procs && echo v2", withResources({}));
  if (version !== "v2\n") context.skip("the agent's cgroups are those of cgroup v1");
}

/** Cases of OOM events. */
export const oomCases: readonly ConformanceCase[] = [
  {
    name: "GetOOMEvent: reports a container of which a process was killed for memory",
    level: "must",
    source: "Go shim and runtime-rs, OOMKilled in Kubernetes",
    needs: ["memory-limits"],
    run: async (context) => {
      const event = context.agent.getOOMEvent({});
      const id = await context.sleeper(withResources(LIMITED));
      equal((await context.execute(id, EAT)).status, 137, "the killed process's status");
      equal((await event).container_id, id, "the event's container");
    },
  },
  {
    name: "GetOOMEvent: reports an event that happened before the call",
    level: "should",
    source: "runtime-rs asks again after each event",
    needs: ["memory-limits"],
    run: async (context) => {
      const id = await context.sleeper(withResources(LIMITED));
      await context.execute(id, EAT);
      equal((await context.agent.getOOMEvent({})).container_id, id, "the event's container");
    },
  },
  {
    name: "GetOOMEvent: reports a second kill in the same container",
    level: "may",
    source: "guestd; the reference reports one event for each container",
    needs: ["memory-limits"],
    run: async (context) => {
      const id = await context.sleeper(withResources(LIMITED));
      for (let time = 0; time < 2; time++) {
        const event = context.agent.getOOMEvent({});
        await context.execute(id, EAT);
        equal((await event).container_id, id, "the event's container");
      }
    },
  },
  {
    name: "GetOOMEvent: kills in four containers are each reported once",
    level: "should",
    source: "Go shim and runtime-rs, OOMKilled in Kubernetes",
    needs: ["memory-limits"],
    run: async (context) => {
      const ids: string[] = [];
      for (let count = 0; count < 4; count++) ids.push(await context.start(["sh", "-c", EAT], withResources(LIMITED)));
      const reported: string[] = [];
      while (reported.length < ids.length) reported.push(await nextEvent(context));
      equal(reported.toSorted(), ids.toSorted(), "the events' containers");
      await context.stillOpen(context.agent.getOOMEvent({}), "GetOOMEvent");
    },
  },
  {
    name: "GetOOMEvent: a kill in a cgroup below the container's is reported for the container",
    level: "should",
    source: "cgroup v2: memory.events counts what happens below",
    needs: ["memory-limits"],
    run: async (context) => {
      await needsCgroup2(context);
      const id = await context.sleeper(withResources(LIMITED, "rw"));
      const line = `mkdir -p /sys/fs/cgroup/a/b && echo 0 > /sys/fs/cgroup/a/b/cgroup.procs && ${EAT}`;
      const { status, stderr } = await context.execute(id, line);
      equal([stderr, status], ["", 137], "the killed process's errors and status");
      equal(await nextEvent(context), id, "the event's container");
    },
  },
  {
    name: "GetOOMEvent: with memory.oom.group, one kill ends the whole container and is reported",
    level: "should",
    source: "OCI runtime spec, linux.resources.unified; cgroup v2",
    needs: ["memory-limits"],
    run: async (context) => {
      await needsCgroup2(context);
      const id = await context.sleeper(withResources({ ...LIMITED, Unified: { "memory.oom.group": "1" } }));
      const exec_id = await context.exec(id, ["sh", "-c", EAT]);
      for (const one of [id, exec_id]) {
        const { status } = await context.agent.waitProcess({ container_id: id, exec_id: one });
        equal(status, 137, "the status");
      }
      equal(await nextEvent(context), id, "the event's container");
      // The kernel counts each process of the group, so there may be one more event.
      const more = context.agent.getOOMEvent({}, { timeoutMs: MORE_MS }).catch(() => ({ container_id: id }));
      equal((await more).container_id, id, "a further event's container");
    },
  },
  {
    // Last, as an agent may give the next event to a call whose connection has ended.
    name: "GetOOMEvent: stays open while nothing happens",
    level: "must",
    source: "runtime-rs asks again at once: an immediate error makes it spin",
    needs: ["sandbox"],
    run: (context) => context.stillOpen(context.agent.getOOMEvent({}), "GetOOMEvent"),
  },
];
