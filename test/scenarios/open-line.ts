import type { AgentClient } from "../../host/client/agent-client.ts";
import { RpcError } from "../../host/client/rpc-error.ts";
import type { Machine } from "./machine.ts";

/** The agent said that it was restarted during the call. */
export const wasCutOff = (error: unknown): boolean =>
  error instanceof RpcError && error.message.includes("the agent was restarted during the call");

/** The connection was closed below the call. */
export const wasClosed = (error: unknown): boolean => error instanceof RpcError && /^ttrpc: /.test(error.message);

/** A connection that stays open over every restart of the agent; a new one is made only after the agent closed it. */
export class OpenLine {
  /** Calls that were answered, that were answered as cut off; connections that the agent closed. */
  readonly counts = { answered: 0, cutOff: 0, closed: 0 };
  /** Calls without an answer so far. */
  open = 0;
  readonly #machine: Machine;
  /** From the first call on. */
  #client: Promise<AgentClient> | undefined;
  #closing = false;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Makes a call; undefined when nobody knows what became of it, be it cut off or lost with the connection. */
  async ask<T>(call: (client: AgentClient) => Promise<T>): Promise<T | undefined> {
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

  /** Makes a call until it is answered: for one that asks only. */
  async askAgain<T>(call: (client: AgentClient) => Promise<T>): Promise<T> {
    for (;;) {
      const answer = await this.ask(call);
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
    this.#client.catch(() => undefined); // whoever asks next is told
  }

  /** One that has had an answer: the agent keeps no other, and says nothing of it when it is lost. */
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
