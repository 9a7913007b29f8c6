import type { CaseGroup } from "../case.ts";
import { equal, holds } from "../check.ts";
import { withResources } from "../oci-spec.ts";

const MIB = 1 << 20;
/** Doubles a string until memory ends. */
const EAT = "x=0123456789abcdef; while :; do x=$x$x; done";
const FILES = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null";

export const memory: CaseGroup = {
  name: "memory",
  title: "Memory and OOM events",
  cases: [
    {
      name: "GetOOMEvent: stays open while nothing happens",
      level: "must",
      source: "runtime-rs asks again at once: an immediate error makes it spin",
      needs: ["sandbox"],
      run: (context) => context.stillOpen(context.agent.getOOMEvent({}), "GetOOMEvent"),
    },
    {
      name: "GetOOMEvent: reports a container of which a process was killed for memory",
      level: "must",
      source: "Go shim and runtime-rs, OOMKilled in Kubernetes",
      needs: ["memory-limits"],
      run: async (context) => {
        const event = context.agent.getOOMEvent({});
        const id = await context.sleeper(withResources({ Memory: { Limit: 24 * MIB } }));
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
        const id = await context.sleeper(withResources({ Memory: { Limit: 24 * MIB } }));
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
        const id = await context.sleeper(withResources({ Memory: { Limit: 24 * MIB } }));
        for (let time = 0; time < 2; time++) {
          const event = context.agent.getOOMEvent({});
          await context.execute(id, EAT);
          equal((await event).container_id, id, "the event's container");
        }
      },
    },
    {
      name: "CreateContainer: a memory limit is in the container's cgroup",
      level: "must",
      source: "OCI runtime spec, linux.resources.memory",
      needs: ["memory-limits"],
      run: async (context) => {
        const text = await context.print(FILES, withResources({ Memory: { Limit: 48 * MIB } }));
        equal(text.trim(), String(48 * MIB), "the limit");
      },
    },
    {
      name: "UpdateContainer: changes the memory limit of a running container",
      level: "must",
      source: "Kubernetes, in-place resize",
      needs: ["memory-limits"],
      run: async (context) => {
        const container_id = await context.sleeper(withResources({ Memory: { Limit: 48 * MIB } }));
        await context.agent.updateContainer({ container_id, resources: { Memory: { Limit: 96 * MIB } } });
        equal((await context.execute(container_id, FILES)).stdout.trim(), String(96 * MIB), "the limit");
      },
    },
    {
      name: "UpdateContainer: leaves what the request does not name",
      level: "should",
      source: "OCI runtime spec, update",
      needs: ["memory-limits"],
      run: async (context) => {
        const container_id = await context.sleeper(withResources({ Memory: { Limit: 48 * MIB } }));
        await context.agent.updateContainer({ container_id, resources: { Pids: { Limit: 40 } } });
        equal((await context.execute(container_id, FILES)).stdout.trim(), String(48 * MIB), "the limit");
      },
    },
    {
      name: "UpdateContainer: without resources succeeds and changes nothing",
      level: "should",
      source: "behaviour of the reference",
      needs: ["rootfs"],
      run: async (context) => {
        const container_id = await context.sleeper();
        await context.agent.updateContainer({ container_id });
        equal((await context.execute(container_id, "echo alive")).stdout, "alive\n", "the output of an exec");
      },
    },
    {
      name: "CreateContainer: a limit of processes holds back a fork bomb",
      level: "should",
      source: "OCI runtime spec, linux.resources.pids",
      needs: ["memory-limits"],
      run: async (context) => {
        const id = await context.sleeper(withResources({ Pids: { Limit: 8 } }));
        const { stderr } = await context.execute(id, "while :; do sleep 1000 & done");
        holds(/can't fork|Resource temporarily unavailable/.test(stderr), "fork fails", stderr.slice(0, 200));
        const { cgroup_stats } = await context.agent.statsContainer({ container_id: id });
        holds((cgroup_stats?.pids_stats?.current ?? 0) <= 8, "there are at most 8 processes");
      },
    },
  ],
};
