import type { AgentClient } from "../../host/client/agent-client.ts";
import { RpcError } from "../../host/client/rpc-error.ts";
import type { Machine } from "./machine.ts";

/** True for an error that reports a restart of the agent during the call. */
export const wasCutOff = (error: unknown): boolean =>
  error instanceof RpcError && error.message.includes("the agent was restarted during the call");

/** True for an error that reports the connection closed during the call. */
export const wasClosed = (error: unknown): boolean => error instanceof RpcError && /^ttrpc: /.test(error.message);

/** A connection that stays open over every restart of the agent. It is replaced only after the agent closed it. */
export class OpenLine {
  /** Calls that succeeded, calls that failed as cut off, and connections that the agent closed. */
  readonly counts = { answered: 0, cutOff: 0, closed: 0 };
  /** Calls without a response so far. */
  open = 0;
  readonly #machine: Machine;
  /** Set from the first call on. */
  #client: Promise<AgentClient> | undefined;
  #closing = false;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Makes a call. Resolves to undefined if its result is unknown: cut off, or lost with the connection. */
  async call<T>(call: (client: AgentClient) => Promise<T>): Promise<T | undefined> {
    this.#client ??= this.#connect();
    const line = this.#client;
    this.open++;
    try {
      const answer = await call(await line);
      this.counts.answered++;
      return answer;
    } catch (error) {
      if (wasCutOff(error)) {
        this.counts.cutOff++;
        process.stderr.write(`${(error as Error).message}\n`);
      } else if (wasClosed(error)) this.#renew(line);
      else throw error;
      return undefined;
    } finally {
      this.open--;
    }
  }

  /** Repeats a call until it is answered. Only for idempotent calls. */
  async callUntilAnswered<T>(call: (client: AgentClient) => Promise<T>): Promise<T> {
    for (;;) {
      const answer = await this.call(call);
      if (answer !== undefined) return answer;
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    await (await this.#client)?.close();
  }

  #renew(line: Promise<AgentClient>): void {
    if (this.#client !== line || this.#closing) return;
    this.counts.closed++;
    this.#client = this.#connect();
    this.#client.catch(() => undefined); // the next caller gets the error
  }

  /** Returns a client that got a response: the agent keeps no other connection, and doesn't log the loss of one. */
  async #connect(): Promise<AgentClient> {
    for (;;) {
      const client = await this.#machine.connect();
      try {
        await client.health.check({});
        return client;
      } catch (error) {
        await client.close();
        if (!wasClosed(error)) throw error;
      }
    }
  }
}
