import type { AgentClient } from "../../host/client/agent-client.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { Samples } from "./samples.ts";

/** Of one round. */
const CALLS_BUT_READS = 7;

/** What one round of a container takes, in ms. */
export class GuestdRounds {
  readonly create = new Samples();
  readonly start = new Samples();
  /** ExecProcess, ReadStdout beside ReadStderr to their ends, WaitProcess: what hosts do, in their order. */
  readonly exec = new Samples();
  /** SignalProcess KILL, WaitProcess, RemoveContainer. */
  readonly remove = new Samples();
  readonly check = new Samples();
  readonly metrics = new Samples();
  /** Calls of the rounds, and the CPU time that they took on this side, µs: the client's share of the numbers. */
  calls = 0;
  clientMicros = 0;
  readonly #client: AgentClient;
  readonly #spec: Init<grpc.Spec>;
  readonly #execProcess: Init<grpc.Process>;

  constructor(client: AgentClient, spec: Init<grpc.Spec>, execProcess: Init<grpc.Process>) {
    this.#client = client;
    this.#spec = spec;
    this.#execProcess = execProcess;
  }

  /** A container from its creation to its removal, with one exec; throws when the exec did not say `output`. */
  async round(container_id: string, output: string): Promise<void> {
    const before = process.cpuUsage();
    await this.#round(container_id, output);
    const { user, system } = process.cpuUsage(before);
    this.clientMicros += user + system;
    this.calls += CALLS_BUT_READS;
  }

  async #round(container_id: string, output: string): Promise<void> {
    const { agent } = this.#client;
    const exec_id = "exec";
    await this.create.time(() => agent.createContainer({ container_id, exec_id: container_id, OCI: this.#spec }));
    await this.start.time(() => agent.startContainer({ container_id }));
    const [text, status] = await this.exec.time(async () => {
      await agent.execProcess({ container_id, exec_id, process: this.#execProcess });
      const process = { container_id, exec_id };
      const [said] = await Promise.all([this.#readAll("readStdout", process), this.#readAll("readStderr", process)]);
      return [said, (await agent.waitProcess(process)).status] as const;
    });
    if (text !== output || status !== 0) throw new Error(`exec in guestd: exit code ${status}, output "${text}"`);
    await this.remove.time(async () => {
      await agent.signalProcess({ container_id, exec_id: "", signal: 9 });
      await agent.waitProcess({ container_id, exec_id: container_id });
      await agent.removeContainer({ container_id });
    });
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
