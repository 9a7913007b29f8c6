import { type AgentClient, connect } from "../../../host/client/agent-client.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { echo } from "../first-container.ts";
import { cpuMs, memoryOf } from "../process-usage.ts";
import { Samples } from "../samples.ts";
import type { BenchAgent } from "./agents.ts";
import { ROOTFS, startAgent } from "./running-agent.ts";

const FIRST = "first-container";
const SECOND = "second-container";
/** Steps of a pod's life, in their order. */
const STEPS = [
  ...(["exec to first Check", "second Check", "connect", "CreateSandbox"] as const),
  ...(["first create", "first start", "first exec, output, wait", "first stats"] as const),
  ...(["second create", "second start", "second exec, output, wait"] as const),
  ...(["GetMetrics", "kill, wait, remove"] as const),
];
type Step = (typeof STEPS)[number];
type Time = <T>(step: Step, work: () => Promise<T>) => Promise<T>;

/** Times of what a Kata host calls in a pod's life, each once, in a fresh agent. In ms. */
export class PodLife {
  readonly steps = new Map<Step, Samples>(STEPS.map((step) => [step, new Samples()]));
  /** Processor time of the agent's own process in each step. */
  readonly stepCpu = new Map<Step, Samples>(STEPS.map((step) => [step, new Samples()]));
  /** Sum of the steps. */
  readonly whole = new Samples();
  /** Processor time of all in the namespaces: agent, its helpers and containers. */
  readonly cpu = new Samples();
  /** The agent's private memory at the end, MiB. */
  readonly dirtyMib = new Samples();

  async round(agent: BenchAgent, socket: string, rootfs: string): Promise<void> {
    await using running = await startAgent(agent, socket);
    const { client, pid } = running;
    await client.health.check({});
    samplesOf(this.steps, "exec to first Check").add(running.sinceExec());
    samplesOf(this.stepCpu, "exec to first Check").add(cpuMs(pid));
    const time: Time = (step, work) => this.#time(pid, step, work);
    await time("second Check", () => client.health.check({}));
    // Hosts connect again for the calls of the pod.
    await using host = await time("connect", () => connect(`unix://${socket}`));
    await time("CreateSandbox", () => host.agent.createSandbox({ sandbox_id: "bench", hostname: "bench" }));
    running.share(rootfs);
    await container(time, host, FIRST, ["first create", "first start", "first exec, output, wait"]);
    await time("first stats", () => host.agent.statsContainer({ container_id: FIRST }));
    await container(time, host, SECOND, ["second create", "second start", "second exec, output, wait"]);
    await time("GetMetrics", () => host.agent.getMetrics({}));
    await time("kill, wait, remove", () => remove(host, FIRST));
    await remove(host, SECOND);
    this.whole.add([...this.steps.values()].reduce((sum, { last }) => sum + last, 0));
    this.cpu.add(running.cpuMs());
    this.dirtyMib.add(memoryOf(pid).privateDirtyKib / 1024);
  }

  async #time<T>(pid: number, step: Step, work: () => Promise<T>): Promise<T> {
    const before = cpuMs(pid);
    const result = await samplesOf(this.steps, step).time(work);
    samplesOf(this.stepCpu, step).add(cpuMs(pid) - before);
    return result;
  }
}

async function container(
  time: Time,
  host: AgentClient,
  container_id: string,
  [create, start, exec]: readonly [Step, Step, Step],
): Promise<void> {
  const OCI = ociSpec(ROOTFS, ["sleep", "1000"]);
  await time(create, () => host.agent.createContainer({ container_id, exec_id: container_id, OCI }));
  await time(start, () => host.agent.startContainer({ container_id }));
  await time(exec, () => echoed(host, container_id));
}

function samplesOf(map: ReadonlyMap<Step, Samples>, step: Step): Samples {
  const samples = map.get(step);
  if (samples === undefined) throw new Error(`no step ${step}`);
  return samples;
}

/** Ends a container as hosts do. */
async function remove({ agent }: AgentClient, container_id: string): Promise<void> {
  await agent.signalProcess({ container_id, exec_id: "", signal: 9 });
  await agent.waitProcess({ container_id, exec_id: container_id });
  await agent.removeContainer({ container_id });
}

async function echoed(host: AgentClient, container_id: string): Promise<void> {
  const text = await echo(host.agent, container_id);
  if (text !== "hello\n") throw new Error(`exec: "${text}"`);
}
