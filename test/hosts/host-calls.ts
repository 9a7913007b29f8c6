import { setTimeout as sleep } from "node:timers/promises";
import type { AgentClient } from "../../host/client/agent-client.ts";

type Agent = AgentClient["agent"];
type CallName = keyof Agent;
type RequestTo<Name extends CallName> = Parameters<Agent[Name]>[0];
type AnswerOf<Name extends CallName> = Awaited<ReturnType<Agent[Name]>>;

export interface MadeCall {
  readonly name: CallName | "check" | "version";
  readonly request: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
}

/** Records a shim's calls over its one connection, with their time limits, in order. */
export class HostCalls {
  readonly client: AgentClient;
  readonly made: MadeCall[] = [];
  /** Duration of each health check, in milliseconds. */
  readonly checks: number[] = [];
  readonly #timeoutMs: number;
  readonly #metadata: Readonly<Record<string, string>>;
  readonly #ended = new AbortController();
  #checking: Promise<void> = Promise.resolve();

  constructor(client: AgentClient, timeoutMs: number, metadata: Readonly<Record<string, string>> = {}) {
    this.client = client;
    this.#timeoutMs = timeoutMs;
    this.#metadata = metadata;
  }

  /** Makes a call; a time limit of 0 means none, as on the wire. */
  async call<Name extends CallName>(
    name: Name,
    request: RequestTo<Name>,
    timeoutMs = this.#timeoutMs,
  ): Promise<AnswerOf<Name>> {
    this.made.push({ name, request: request as MadeCall["request"], timeoutMs });
    const limit = timeoutMs === 0 ? {} : { timeoutMs };
    const method = this.client.agent[name] as (request: unknown, options: object) => Promise<AnswerOf<Name>>;
    return await method(request, { ...limit, metadata: this.#metadata });
  }

  async check(timeoutMs: number): Promise<void> {
    this.made.push({ name: "check", request: {}, timeoutMs });
    const before = performance.now();
    const { status } = await this.client.health.check({}, { timeoutMs, metadata: this.#metadata });
    if (status !== 1) throw new Error(`the agent is not serving: ${status}`);
    this.checks.push(performance.now() - before);
  }

  async version(timeoutMs: number): Promise<void> {
    this.made.push({ name: "version", request: {}, timeoutMs });
    const { agent_version } = await this.client.health.version({}, { timeoutMs, metadata: this.#metadata });
    if (!/^\d+\.\d+\.\d+/.test(agent_version)) throw new Error(`the agent's version is "${agent_version}"`);
  }

  /**
   * Runs checks in the background until `endChecks`, which throws if one failed; real shims then end the sandbox. With
   * `versionEvery`, every so many checks are followed by Version.
   */
  checkEvery(everyMs: number, timeoutMs: number, versionEvery = Number.POSITIVE_INFINITY): void {
    const { signal } = this.#ended;
    const loop = async () => {
      for (let count = 1; ; count++) {
        await sleep(everyMs, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return;
        await this.check(timeoutMs);
        if (count % versionEvery === 0) await this.version(timeoutMs);
      }
    };
    this.#checking = loop();
    this.#checking.catch(() => undefined); // until endChecks
  }

  /** Reads the last message of an ended container, like a host without a shared file system. */
  async lastMessage(container_id: string): Promise<string> {
    return (await this.call("getDiagnosticData", { container_id, log_type: "termination_log" })).data;
  }

  /** Stops the checks. Call before the sandbox is destroyed, as real shims do, since the agent ends with it. */
  async endChecks(): Promise<void> {
    this.#ended.abort();
    await this.#checking;
  }
}
