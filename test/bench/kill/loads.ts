import { setTimeout as sleep } from "node:timers/promises";
import { hungMount } from "../../namespaces/testing/hung-mount.ts";
import type { Machine } from "../../scenarios/machine.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import type { Pod } from "../../scenarios/pod.ts";

const READS = 50;
const STATS_AT_ONCE = 4;
/** Exceeds the number of libuv's threads. */
const VOLUME_CALLS = 8;
const HUNG = "/run/kata-containers/shared/containers/hung";
const HOOK_S = 10;
const START_MS = 5000;

class OpenCalls {
  made = 0;
  open = 0;

  add(call: Promise<unknown>): void {
    this.made++;
    this.open++;
    const settled = () => this.open--;
    call.then(settled, settled);
  }
}

/** Work in progress during the kills. */
export interface Load {
  readonly name: string;
  /** True if it ends by itself, so that each step starts it again. */
  readonly once?: boolean;
  /** Resolves once the load is running. */
  begin(place: LoadedPlace): Promise<RunningLoad>;
}

export interface LoadedPlace {
  readonly pod: Pod;
  readonly machine: Machine & { readonly directory: string };
  readonly end: AbortSignal;
}

export interface RunningLoad {
  /** Calls that stay open while the load runs. */
  readonly calls: OpenCalls;
  /** Returns a summary of the load's work during a step. Throws if there was none. */
  prove(): Promise<string>;
}

export const LOADS: readonly Load[] = [
  {
    name: `statistics of another container, ${STATS_AT_ONCE} at once`,
    async begin({ pod, end }) {
      const container_id = await pod.start(["sleep", "10000"]);
      const calls = new OpenCalls();
      let answered = 0;
      const loop = async () => {
        for (; !end.aborted; answered++) await pod.client.agent.statsContainer({ container_id });
      };
      for (let index = 0; index < STATS_AT_ONCE; index++) calls.add(loop());
      let before = 0;
      return {
        calls,
        async prove() {
          const count = answered - before;
          before = answered;
          if (count < STATS_AT_ONCE) throw new Error(`only ${count} statistics were answered in a whole step`);
          return `${count} statistics were answered`;
        },
      };
    },
  },
  {
    name: `${READS} reads that wait`,
    async begin({ pod }) {
      const container_id = await pod.start(["sleep", "10000"]);
      const calls = new OpenCalls();
      const ids: string[] = [];
      for (let index = 0; index < READS; index++) {
        const exec_id = await pod.exec(container_id, ["cat"]);
        ids.push(exec_id);
        calls.add(pod.client.agent.readStdout({ container_id, exec_id, len: 4096 }));
      }
      await pod.client.health.check({}); // the agent has received them
      return { calls, prove: async () => `${calls.open} reads waited` };
    },
  },
  {
    name: `a mount that hangs: ${VOLUME_CALLS} GetVolumeStats, a bind, a rootfs and a CopyFile`,
    async begin({ pod, machine }) {
      const waiting = () => waitingForFuse(machine);
      const before = await waiting();
      await hungMount(machine, HUNG);
      const { agent } = pod.client;
      const calls = new OpenCalls();
      for (let index = 0; index < VOLUME_CALLS; index++) calls.add(agent.getVolumeStats({ volume_guest_path: HUNG }));
      const bind = { destination: "/hung", source: `${HUNG}/a`, type: "bind", options: ["rbind"] };
      calls.add(pod.create(["true"], { Mounts: [...(ociSpec("/", []).Mounts ?? []), bind] }));
      calls.add(pod.create(["true"], {}, `${HUNG}/rootfs`));
      calls.add(agent.copyFile({ path: `${HUNG}/file`, file_mode: 0o100644, file_size: 1, data: Buffer.from("x") }));
      await until("a request to the hanging file system", async () => (await waiting()) > before);
      return {
        calls,
        async prove() {
          const count = (await waiting()) - before;
          if (count < 1) throw new Error("the kernel has no pending request to the hanging file system");
          return `${calls.open} calls waited for the mount, and the kernel for ${count} answers of its file system`;
        },
      };
    },
  },
  {
    name: `a container whose hook takes ${HOOK_S} s`,
    once: true,
    async begin({ pod, machine }) {
      const hook = { Path: "/bin/sleep", Args: ["hook-of-the-bench", String(HOOK_S)], Env: ["PATH=/bin"] };
      const calls = new OpenCalls();
      calls.add(pod.create(["true"], { Hooks: { CreateRuntime: [hook] } }));
      const runs = async () => (await machine.shell("cat /proc/[0-9]*/cmdline 2>/dev/null || :")).includes("hook-of-");
      await until("the hook's start", runs);
      return {
        calls,
        async prove() {
          if (!(await runs())) throw new Error(`the hook of ${HOOK_S} s ended before the step`);
          return "the hook ran before and after";
        },
      };
    },
  },
];

/** Returns the number of requests to user-space file systems that are still unanswered. */
async function waitingForFuse({ shell }: Machine): Promise<number> {
  const control = "/run/fuse-control";
  const mounted = `mkdir -p ${control}; grep -q ' ${control} ' /proc/mounts || mount -t fusectl fusectl ${control}`;
  const text = await shell(`${mounted}; cat ${control}/*/waiting 2>/dev/null || :`);
  return text.split("\n").reduce((sum, line) => sum + Number(line), 0);
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + START_MS; !(await holds()); await sleep(20)) {
    if (Date.now() > end) throw new Error(`${what}: not within ${START_MS} ms`);
  }
}
