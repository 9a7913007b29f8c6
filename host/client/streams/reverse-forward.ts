import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { dial } from "../dial.ts";
import { requests } from "../edge/stream-messages.ts";
import { RpcError } from "../rpc-error.ts";
import { Connection } from "./connection.ts";
import { type ForwardOptions, type ForwardTarget, openStream, requestOf } from "./forward.ts";
import { cut } from "./forward-frames.ts";
import { Reconnects } from "./reconnects.ts";

/** Connections of one listener that are open or being opened: an agent has as many for all listeners. */
const MAX_OPEN = 128;
/** Refused connections after which no frames are read for a moment, as their sender may have no end of them. */
const [REFUSALS, REST_MS] = [4096, 100];
/** How long a busy agent may take to close the listener. */
const END_MS = 5000;

export interface ReverseOptions extends ForwardOptions {
  /** Takes each connection that a process of the container has made. */
  onConnection(stream: Duplex): void;
  /** Called when a connection that waited could not be taken; for connections over the limit, once until one ends. */
  onError?(error: Error): void;
  /** Called when the agent can't be reached, and the next attempt follows. */
  onDisconnect?(reason: string): void;
}

/** A listener inside a container whose connections come to this process. It outlives connections to the agent. */
export class ReverseForward {
  /** Resolves with the port once the container can connect; 0 for a unix socket. Rejects with the agent's refusal, or once closed. */
  readonly listening: Promise<number>;
  /** Resolves when `close` was called; rejects with RpcError when the agent refuses the listener later. */
  readonly closed: Promise<void>;
  readonly #address: string;
  readonly #request: Uint8Array;
  readonly #id = randomBytes(16);
  readonly #options: ReverseOptions;
  readonly #closing = new AbortController();
  readonly #listening = Promise.withResolvers<number>();
  #open = 0;
  #isRefusing = false;
  /** Connections refused since the last rest. */
  #refused = 0;

  constructor(address: string, where: ForwardTarget, options: ReverseOptions) {
    this.#address = address;
    this.#options = options;
    this.#request = requests.forwardListen.encode({ version: 1, id: this.#id, ...requestOf(where) });
    this.listening = this.#listening.promise;
    this.listening.catch(() => undefined);
    this.closed = this.#run();
    this.closed.then(
      () => this.#listening.reject(cut("closed")),
      (error: Error) => this.#listening.reject(error),
    );
  }

  /** Ends the listening, and then resolves `closed`; connections that were taken continue. */
  close(): void {
    this.#closing.abort(cut("closed"));
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const limitMs = Number.POSITIVE_INFINITY;
    const reconnects = new Reconnects({ name: () => "reverse forward", limitMs, waits: true, signal });
    while (!signal.aborted) {
      try {
        await this.#serve(() => reconnects.answered());
      } catch (error) {
        if (signal.aborted) return;
        const { message } = reconnects.lost(error);
        this.#options.onDisconnect?.(message);
        await reconnects.pause().catch(() => undefined);
      }
    }
  }

  /** Serves one connection to the agent. Always rejects. */
  async #serve(onListening: () => void): Promise<never> {
    const options = { dial, ...this.#options, signal: this.#closing.signal };
    let late: NodeJS.Timeout | undefined;
    // The agent keeps the listener of a client that may come back.
    const leave = (connection: Connection) => {
      connection.send("forwardEnd");
      late = setTimeout(() => connection.destroy(), END_MS).unref();
    };
    using connection = await Connection.open(this.#address, "forwardListen", this.#request, options, leave);
    try {
      for (const frames = connection.frames(); ; ) {
        const { type, offset } = (await frames.next()).value;
        if (type === "forwardWaiting") void this.#accept();
        if (type === "forwardListening") {
          onListening();
          this.#listening.resolve(offset);
        }
        if (this.#refused < REFUSALS) continue;
        this.#refused = 0;
        await sleep(REST_MS);
      }
    } finally {
      clearTimeout(late);
    }
  }

  async #accept(): Promise<void> {
    if (this.#open >= MAX_OPEN) return this.#refuse();
    this.#open++;
    try {
      const stream = await openStream(this.#address, { listener: this.#id }, this.#options);
      stream.once("close", () => this.#release());
      this.#options.onConnection(stream);
    } catch (error) {
      this.#release();
      this.#options.onError?.(error as Error);
    }
  }

  #release(): void {
    this.#open--;
    this.#isRefusing = false;
  }

  #refuse(): void {
    this.#refused++;
    if (this.#isRefusing) return;
    this.#isRefusing = true;
    const line = `forward: ${MAX_OPEN} connections of this listener are open; further ones are refused until one ends`;
    this.#options.onError?.(new RpcError("resource-exhausted", line));
  }
}

/** Listens inside a container, at the address of guestd.v1.Streams (see `dial`). */
export function reverseForward(address: string, where: ForwardTarget, options: ReverseOptions): ReverseForward {
  return new ReverseForward(address, where, options);
}
