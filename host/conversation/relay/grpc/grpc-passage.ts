import { connect, type Http2Session, performServerHandshake } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_BODY_BYTES } from "../../../../proto/ttrpc-frame.ts";
import type { Direction } from "../../format/conversation.ts";
import { MAX_DELAYED_BYTES } from "../lane.ts";
import type { PassingMessage } from "../passing-message.ts";
import type { Passage, RelayedConnection } from "../relay.ts";
import { type CallConnection, RelayedCall } from "./relayed-call.ts";
import { SessionSocket } from "./session-socket.ts";

/** The peers of both sessions may send a whole message without waiting. */
const SESSION = {
  settings: { initialWindowSize: 2 * MAX_BODY_BYTES, enablePush: false },
  maxSessionMemory: 64,
};

export interface GrpcPassageOptions {
  /** Passes a request or response on, changes it, or does something else. */
  onMessage(message: PassingMessage): Promise<void>;
  /** Reports a side that breaks the rules of HTTP/2, which ends the connection. */
  onError(error: Error): void;
}

/**
 * Passes a gRPC connection on call by call, with an HTTP/2 session of its own for each side: settings, windows and pings are not
 * passed on. A direction of a call that pauses or has over 4 MiB is passed on as it arrives.
 */
export function grpcPassage(connection: RelayedConnection, options: GrpcPassageOptions): Passage {
  const host = new SessionSocket((bytes) => connection.write("response", bytes));
  const agent = new SessionSocket((bytes) => connection.write("request", bytes));
  const delays = new Delays();
  const calls = new Set<Promise<void>>();
  const agentSession = connect("http://agent", { ...SESSION, createConnection: () => agent });
  const hostSession = performServerHandshake(host, SESSION);
  const sockets = { request: agent, response: host };

  const of: CallConnection = {
    id: connection.id,
    agent: agentSession,
    onMessage: options.onMessage,
    delay: (direction, bytes, ms) => delays.wait(direction, bytes, ms),
    async close(direction) {
      await sockets[direction].flush();
      connection.close(direction);
    },
  };
  hostSession.on("stream", (stream, headers) => {
    const call = new RelayedCall(of, stream, headers).run();
    calls.add(call);
    void call.then(() => calls.delete(call));
  });
  for (const [side, session] of Object.entries<Http2Session>({ host: hostSession, agent: agentSession })) {
    session.on("error", (error) =>
      options.onError(
        new Error(`connection ${connection.id}: HTTP/2 of the ${side}: ${error.message}`, { cause: error }),
      ),
    );
    session.once("connect", () => {
      if (!session.destroyed) session.setLocalWindowSize(4 * MAX_BODY_BYTES);
    });
  }
  agentSession.once("goaway", () => hostSession.close());
  const agentEnded = new Promise((resolve) => agentSession.once("close", resolve))
    .then(() => Promise.all(calls))
    .then(() => of.close("response"));
  hostSession.once("close", () => {
    delays.end();
    agentSession.destroy();
  });

  const end = async (direction: Direction) => {
    if (direction === "request") return hostSession.destroy();
    agent.push(null);
    await agentEnded;
  };
  return {
    async receive(direction, chunk) {
      await delays.room(direction);
      await (direction === "request" ? host : agent).receive(chunk);
    },
    end,
    failed: end,
    closed() {
      hostSession.destroy();
      agentSession.destroy();
    },
  };
}

/** Delayed messages of a connection. */
class Delays {
  readonly #bytes = { request: 0, response: 0 };
  readonly #stop = new AbortController();
  #changed = Promise.withResolvers<void>();

  /** Resolves after the time, or when all delays end. */
  async wait(direction: Direction, bytes: number, ms: number): Promise<void> {
    this.#bytes[direction] += bytes;
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    this.#bytes[direction] -= bytes;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Resolves when further messages may be delayed. */
  async room(direction: Direction): Promise<void> {
    while (this.#bytes[direction] > MAX_DELAYED_BYTES) await this.#changed.promise;
  }

  end(): void {
    this.#stop.abort();
  }
}
