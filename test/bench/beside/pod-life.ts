import { type AgentClient, connect } from "../../../host/client/agent-client.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { echo } from "../first-container.ts";
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

/** Times of what a Kata host calls in a pod's life, each once, in a fresh agent. In ms. */
export class PodLife {
  readonly steps = new Map<Step, Samples>(STEPS.map((step) => [step, new Samples()]));
  /** Sum of the steps. */
  readonly whole = new Samples();
  /** Processor time of all in the namespaces: agent, its helpers and containers. */
  readonly cpu = new Samples();

  async round(agent: BenchAgent, socket: string, rootfs: string): Promise<void> {
    await using running = await startAgent(agent, socket);
    const { client } = running;
    await client.health.check({});
    this.#add("exec to first Check", running.sinceExec());
    await this.#time("second Check", () => client.health.check({}));
    // Hosts connect again for the calls of the pod.
    await using host = await this.#time("connect", () => connect(`unix://${socket}`));
    await this.#time("CreateSandbox", () => host.agent.createSandbox({ sandbox_id: "bench", hostname: "bench" }));
    running.share(rootfs);
    await this.#container(host, FIRST, ["first create", "first start", "first exec, output, wait"]);
    await this.#time("first stats", () => host.agent.statsContainer({ container_id: FIRST }));
    await this.#container(host, SECOND, ["second create", "second start", "second exec, output, wait"]);
    await this.#time("GetMetrics", () => host.agent.getMetrics({}));
    await this.#time("kill, wait, remove", () => remove(host, FIRST));
    await remove(host, SECOND);
    this.whole.add([...this.steps.values()].reduce((sum, { last }) => sum + last, 0));
    this.cpu.add(running.cpuMs());
  }

  async #container(host: AgentClient, container_id: string, [create, start, exec]: readonly [Step, Step, Step]) {
    const OCI = ociSpec(ROOTFS, ["sleep", "1000"]);
    await this.#time(create, () => host.agent.createContainer({ container_id, exec_id: container_id, OCI }));
    await this.#time(start, () => host.agent.startContainer({ container_id }));
    await this.#time(exec, () => echoed(host, container_id));
  }

  #time<T>(step: Step, work: () => Promise<T>): Promise<T> {
    return this.#samples(step).time(work);
  }

  #add(step: Step, ms: number): void {
    this.#samples(step).add(ms);
  }

  #samples(step: Step): Samples {
    const samples = this.steps.get(step);
    if (samples === undefined) throw new Error(`no step ${step}`);
    return samples;
  }
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
