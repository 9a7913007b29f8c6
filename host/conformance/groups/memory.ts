import type { CaseGroup } from "../case.ts";
import { equal, holds, refused } from "../check.ts";
import { withResources } from "../oci-spec.ts";
import { oomCases } from "./oom-cases.ts";

const MIB = 1 << 20;
const FILES = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null";

export const memory: CaseGroup = {
  name: "memory",
  title: "Memory and OOM events",
  cases: [
    ...oomCases,
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
        const { stderr } = await context.execute(
          id,
          "i=0; while [ $i -lt 50 ]; do sleep 1000 > /dev/null 2>&1 & i=$((i+1)); done",
        );
        holds(/can't fork|Resource temporarily unavailable/.test(stderr), "fork fails", stderr.slice(0, 200));
        const { cgroup_stats } = await context.agent.statsContainer({ container_id: id });
        holds((cgroup_stats?.pids_stats?.current ?? 0) <= 8, "there are at most 8 processes");
      },
    },
    {
      name: "ExecProcess: beyond the container's limit of processes, it is refused",
      level: "may",
      source: "guestd; an agent may need processes of its own in the container's cgroup",
      needs: ["memory-limits"],
      run: async (context) => {
        const id = await context.sleeper(withResources({ Pids: { Limit: 2 } }));
        await context.exec(id, ["sleep", "1000"]);
        await refused(context.exec(id, ["true"]), { codes: ["internal"], text: /EAGAIN|temporarily unavailable/ });
      },
    },
  ],
};
