import { setTimeout as sleep } from "node:timers/promises";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { wasClosed, wasCutOff } from "../scenarios/open-line.ts";

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
  /** Number of calls that were answered, cut off by an agent's death, or lost with the connection. */
  readonly counts = { answered: 0, cutOff: 0, closed: 0 };
  readonly #timeoutMs: number;
  readonly #metadata: Readonly<Record<string, string>>;
  readonly #patience: number;
  readonly #ended = new AbortController();
  readonly #open = new Set<MadeCall>();
  #checking: Promise<void> = Promise.resolve();

  constructor(client: AgentClient, timeoutMs: number, metadata: Readonly<Record<string, string>> = {}, patience = 1) {
    this.client = client;
    this.#timeoutMs = timeoutMs;
    this.#metadata = metadata;
    this.#patience = patience;
  }

  /** Makes a call; a time limit of 0 means none, as on the wire. */
  async call<Name extends CallName>(
    name: Name,
    request: RequestTo<Name>,
    timeoutMs = this.#timeoutMs,
  ): Promise<AnswerOf<Name>> {
    const options = timeoutMs === 0 ? { metadata: this.#metadata } : this.#limited(timeoutMs);
    const method = this.client.agent[name] as (request: unknown, options: object) => Promise<AnswerOf<Name>>;
    const made = { name, request: request as MadeCall["request"], timeoutMs };
    return await this.#follow(made, () => method(request, options));
  }

  /** Unanswered calls, as text. */
  get open(): readonly string[] {
    return Array.from(this.#open, ({ name, request }) => `${name} ${JSON.stringify(request).slice(0, 200)}`);
  }

  async check(timeoutMs: number): Promise<void> {
    const before = performance.now();
    const { status } = await this.#follow({ name: "check", request: {}, timeoutMs }, () =>
      this.client.health.check({}, this.#limited(timeoutMs)),
    );
    if (status !== 1) throw new Error(`the agent is not serving: ${status}`);
    this.checks.push(performance.now() - before);
  }

  async version(timeoutMs: number): Promise<void> {
    const { agent_version } = await this.#follow({ name: "version", request: {}, timeoutMs }, () =>
      this.client.health.version({}, this.#limited(timeoutMs)),
    );
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

  #limited(timeoutMs: number) {
    return { timeoutMs: timeoutMs * this.#patience, metadata: this.#metadata };
  }

  async #follow<T>(made: MadeCall, call: () => Promise<T>): Promise<T> {
    this.made.push(made);
    this.#open.add(made);
    try {
      const answer = await call();
      this.counts.answered++;
      return answer;
    } catch (error) {
      if (wasCutOff(error)) this.counts.cutOff++;
      else if (wasClosed(error)) this.counts.closed++;
      else this.counts.answered++;
      throw error;
    } finally {
      this.#open.delete(made);
    }
  }
}
