import type { AgentClient } from "../../host/client/agent-client.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { CallCpu } from "./process-usage.ts";
import { Samples } from "./samples.ts";

/** Calls per round, without the reads. */
const CALLS_BUT_READS = 7;
/** Number of checks to measure CPU time with. */
const CHECKS = 100;

/** Times of the calls in one container's round, in ms. */
export class GuestdRounds {
  readonly create = new Samples();
  readonly start = new Samples();
  /** ExecProcess, ReadStdout and ReadStderr to their ends, then WaitProcess, in the order of hosts. */
  readonly exec = new Samples();
  /** SignalProcess KILL, WaitProcess, RemoveContainer. */
  readonly remove = new Samples();
  readonly check = new Samples();
  readonly metrics = new Samples();
  /** The agent's CPU time for the same calls. */
  readonly cpu: Readonly<Record<"create" | "start" | "exec" | "remove" | "check" | "read32k" | "read8k", CallCpu>>;
  /** Number of calls in the rounds, and the client's CPU time for them in µs, which is included in the results. */
  calls = 0;
  clientMicros = 0;
  readonly #client: AgentClient;
  readonly #spec: Init<grpc.Spec>;
  readonly #execProcess: Init<grpc.Process>;

  constructor(client: AgentClient, spec: Init<grpc.Spec>, execProcess: Init<grpc.Process>, agentPid: number) {
    const cpu = () => new CallCpu(agentPid);
    this.cpu = {
      create: cpu(),
      start: cpu(),
      exec: cpu(),
      remove: cpu(),
      check: cpu(),
      read32k: cpu(),
      read8k: cpu(),
    };
    this.#client = client;
    this.#spec = spec;
    this.#execProcess = execProcess;
  }

  /** Creates, starts and removes a container, with one exec in it; throws unless the exec prints `output`. */
  async round(container_id: string, output: string): Promise<void> {
    const before = process.cpuUsage();
    await this.#round(container_id, output);
    const { user, system } = process.cpuUsage(before);
    this.clientMicros += user + system;
    this.calls += CALLS_BUT_READS;
  }

  async #round(container_id: string, output: string): Promise<void> {
    await this.create.time(() => this.#create(container_id));
    await this.start.time(() => this.#client.agent.startContainer({ container_id }));
    await this.exec.time(() => this.#exec(container_id, output));
    await this.remove.time(() => this.#remove(container_id));
  }

  /**
   * Makes the same calls to measure the agent's CPU time, grouped by kind, as a single call is too short to measure.
   */
  async cpuRounds(container_ids: readonly string[], output: string): Promise<void> {
    const each = (call: (container_id: string) => Promise<unknown>) => async () => {
      for (const container_id of container_ids) await call(container_id);
      return container_ids.length;
    };
    await this.cpu.create.during(each((container_id) => this.#create(container_id)));
    await this.cpu.start.during(each((container_id) => this.#client.agent.startContainer({ container_id })));
    await this.cpu.exec.during(each((container_id) => this.#exec(container_id, output)));
    await this.cpu.remove.during(each((container_id) => this.#remove(container_id)));
    await this.cpu.check.during(async () => {
      for (let count = 0; count < CHECKS; count++) await this.#client.health.check({});
      return CHECKS;
    });
  }

  /** Runs one exec in a container that runs, and returns its ms; throws unless it prints `output`. */
  async execIn(container_id: string, output: string): Promise<number> {
    const began = performance.now();
    await this.#exec(container_id, output);
    return performance.now() - began;
  }

  #create(container_id: string): Promise<unknown> {
    return this.#client.agent.createContainer({ container_id, exec_id: container_id, OCI: this.#spec });
  }

  async #exec(container_id: string, output: string): Promise<void> {
    const { agent } = this.#client;
    const process = { container_id, exec_id: "exec" };
    await agent.execProcess({ ...process, process: this.#execProcess });
    const [text] = await Promise.all([this.#readAll("readStdout", process), this.#readAll("readStderr", process)]);
    const { status } = await agent.waitProcess(process);
    if (text !== output || status !== 0) throw new Error(`exec in guestd: exit code ${status}, output "${text}"`);
  }

  async #remove(container_id: string): Promise<void> {
    const { agent } = this.#client;
    await agent.signalProcess({ container_id, exec_id: "", signal: 9 });
    await agent.waitProcess({ container_id, exec_id: container_id });
    await agent.removeContainer({ container_id });
  }

  async checkOnce(): Promise<void> {
    await this.check.time(() => this.#client.health.check({}));
  }

  async scrapeOnce(): Promise<void> {
    await this.metrics.time(() => this.#client.agent.getMetrics({}));
  }

  async #readAll(
    read: "readStdout" | "readStderr",
    process: { readonly container_id: string; readonly exec_id: string },
  ): Promise<string> {
    let text = "";
    for (;;) {
      this.calls += 1;
      const { data } = await this.#client.agent[read]({ ...process, len: 32 * 1024 });
      if (data.length === 0) return text;
      text += Buffer.from(data).toString();
    }
  }
}
