import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeStreamFrame, STREAM, type StreamFrame, StreamFrameParser } from "../../../proto/stream-frame.ts";
import { requests } from "../edge/stream-messages.ts";
import { RpcError } from "../rpc-error.ts";
import { type ForwardOptions, type ForwardTarget, openStream, requestOf } from "./forward.ts";
import { cut, dialFrames, errorIn } from "./forward-frames.ts";
import { KeepAlive } from "./keep-alive.ts";

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;
/** Connections of one listener that are open or being opened: an agent has as many for all listeners. */
const MAX_OPEN = 128;
/** How long further connections wait to be refused. */
const REST_MS = 100;
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
    let wasListening = false;
    for (let pause = FIRST_PAUSE_MS; !signal.aborted; pause = Math.min(pause * 2, MAX_PAUSE_MS)) {
      try {
        await this.#serve(() => {
          pause = FIRST_PAUSE_MS;
          wasListening = true;
        });
      } catch (error) {
        if (signal.aborted) return;
        // A guest that is quiesced for a snapshot is "unavailable" to a client that comes back.
        const passing = wasListening ? ["cut", "unavailable"] : ["cut"];
        if (!(error instanceof RpcError && passing.includes(error.kind))) throw error;
        this.#options.onDisconnect?.(error.message);
        await sleep(pause, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Serves one connection to the agent. Always rejects. */
  async #serve(onListening: () => void): Promise<never> {
    const { signal } = this.#closing;
    const socket = await dialFrames(this.#address, "forwardListen", this.#request, { ...this.#options, signal });
    using alive = new KeepAlive(socket).unref();
    const take = (frame: StreamFrame) => {
      const error = errorIn(frame);
      if (error !== undefined) throw error;
      alive.answered();
      if (frame.type === "forwardListening") {
        onListening();
        this.#listening.resolve(frame.offset);
      } else if (frame.type === "forwardWaiting") void this.#accept();
    };
    try {
      return await new Promise<never>((_, reject) => {
        const parser = new StreamFrameParser("agent");
        socket.on("data", (chunk: Buffer) => {
          try {
            parser.push(chunk).forEach(take);
            if (this.#open >= MAX_OPEN) rest(socket);
          } catch (error) {
            reject(error);
          }
        });
        socket.once("close", () => reject(cut("the connection to the agent was lost")));
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    } finally {
      // The agent keeps the listener of a client that may come back.
      if (signal.aborted && !socket.destroyed) await ended(socket);
      socket.destroy();
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
    if (this.#isRefusing) return;
    this.#isRefusing = true;
    const line = `forward: ${MAX_OPEN} connections of this listener are open; further ones are refused until one ends`;
    this.#options.onError?.(new RpcError("resource-exhausted", line));
  }
}

/** Reads no more frames for a moment, as their sender has no end of them. */
function rest(socket: Duplex): void {
  socket.pause();
  setTimeout(() => socket.resume(), REST_MS).unref();
}

/** Resolves once the agent has closed the connection, whose client wants no more. */
function ended(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
    setTimeout(resolve, END_MS).unref();
    socket.write(encodeStreamFrame("forwardEnd", STREAM.process, 0));
  });
}

/** Listens inside a container, at the address of guestd.v1.Streams (see `dial`). */
export function reverseForward(address: string, where: ForwardTarget, options: ReverseOptions): ReverseForward {
  return new ReverseForward(address, where, options);
}
