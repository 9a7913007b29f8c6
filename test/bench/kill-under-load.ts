import { startHostAgent } from "../agent/host-agent.ts";
import { hungMount } from "../agent/hung-mount.ts";
import { whyNoNamespaces } from "../init/harness.ts";
import type { Machine } from "../scenarios/machine.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { Samples } from "./samples.ts";

const AIM_MS = 50;
const VICTIMS = 40;
const READS = 50;
const STATS_AT_ONCE = 4;
/** More than libuv has threads. */
const VOLUME_CALLS = 8;
const HUNG = "/run/kata-containers/shared/containers/hung";
const HOOK_S = 10;

interface Load {
  readonly name: string;
  /** Begins it, and ends it when the signal comes. Resolves when it is under way. */
  begin(pod: Pod, machine: Machine & { readonly directory: string }, end: AbortSignal): Promise<void>;
}

const LOADS: readonly Load[] = [
  { name: "nothing else", begin: async () => undefined },
  {
    name: `statistics of another container, ${STATS_AT_ONCE} at once`,
    async begin(pod, _machine, end) {
      const container_id = await pod.start(["sleep", "10000"]);
      const loop = async () => {
        while (!end.aborted) await pod.client.agent.statsContainer({ container_id });
      };
      for (let index = 0; index < STATS_AT_ONCE; index++) detach(loop());
    },
  },
  {
    name: `a container whose hook takes ${HOOK_S} s`,
    async begin(pod) {
      const hook = { Path: "/bin/sleep", Args: ["sleep", String(HOOK_S)], Env: ["PATH=/bin"] };
      detach(pod.create(["true"], { Hooks: { CreateRuntime: [hook] } }));
    },
  },
  {
    name: `${READS} reads that wait`,
    async begin(pod) {
      const container_id = await pod.start(["sleep", "10000"]);
      for (let index = 0; index < READS; index++) {
        const exec_id = await pod.exec(container_id, ["sleep", "10000"]);
        detach(pod.client.agent.readStdout({ container_id, exec_id, len: 4096 }));
      }
    },
  },
  {
    name: `a mount that hangs, with ${VOLUME_CALLS} GetVolumeStats, a bind, a rootfs and a CopyFile on it`,
    async begin(pod, machine) {
      await hungMount(machine, HUNG);
      const { agent } = pod.client;
      for (let index = 0; index < VOLUME_CALLS; index++) detach(agent.getVolumeStats({ volume_guest_path: HUNG }));
      const bind = { destination: "/hung", source: `${HUNG}/a`, type: "bind", options: ["rbind"] };
      detach(pod.create(["true"], { Mounts: [...(ociSpec("/", []).Mounts ?? []), bind] }));
      detach(pod.create(["true"], {}, `${HUNG}/rootfs`));
      detach(agent.copyFile({ path: `${HUNG}/file`, file_mode: 0o100644, file_size: 1, data: Buffer.from("x") }));
    },
  },
];

/** How soon SignalProcess is answered, and the end told, under loads that are added one after the other. */
async function main(): Promise<void> {
  const reason = whyNoNamespaces();
  if (reason !== undefined) throw new Error(reason);
  await using machine = await startHostAgent();
  const end = new AbortController();
  await using client = await machine.connect();
  await using killer = await machine.connect();
  const pod = await Pod.open(machine, client);
  process.stdout.write(
    `SignalProcess 9, answered (median, p95, most; aim: ${AIM_MS} ms) and end told (median, most), ms\n`,
  );
  for (const { name, begin } of LOADS) {
    const victims: string[] = [];
    for (let index = 0; index < VICTIMS; index++) victims.push(await pod.exec(await victimOf(pod), ["sleep", "10000"]));
    await begin(pod, machine, end.signal);
    const [answered, ended] = [new Samples(), new Samples()];
    for (const exec_id of victims) {
      const ids = { container_id: await victimOf(pod), exec_id };
      const gone = ended.time(() => killer.agent.waitProcess(ids, { timeoutMs: 20_000 }));
      await answered.time(() => killer.agent.signalProcess({ ...ids, signal: 9 }, { timeoutMs: 20_000 }));
      await gone;
    }
    const text = [answered.median, answered.p95, answered.most, ended.median, ended.most].map((ms) => ms.toFixed(1));
    process.stdout.write(`${text.join("  ")}  + ${name}\n`);
  }
  end.abort();
}

let victim: Promise<string> | undefined;
/** One container for all that is killed. */
function victimOf(pod: Pod): Promise<string> {
  victim ??= pod.start(["sleep", "10000"]);
  return victim;
}

/** It ends with the machine. */
function detach(work: Promise<unknown>): void {
  work.catch(() => undefined);
}

await main();
