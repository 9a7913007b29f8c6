import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { parseAddress } from "../../client/address.ts";
import { dial } from "../../client/dial.ts";
import { listenAt } from "../../client/streams/local-forward.ts";
import { ConversationError } from "../conversation-error.ts";
import type { Direction } from "../format/conversation.ts";
import { acceptHybrid } from "./accept-hybrid.ts";

/** Connections at once; more are closed at once. */
const MAX_CONNECTIONS = 256;

/** A connection of a host that is relayed to an agent. */
export interface RelayedConnection {
  /** Number of the connection, from 1. */
  readonly id: number;
  /** Writes in a direction. Resolves when there is room for more, or the connection is closed. */
  write(direction: Direction, bytes: Buffer): Promise<void>;
  /** Closes both sides once what was written in a direction is delivered. */
  close(direction: Direction): void;
}

/** Decides what is passed on. While a returned promise is pending, its direction isn't read. */
export interface Passage {
  receive(direction: Direction, chunk: Buffer): Promise<void>;
  /** A direction has ended; its end is passed on afterwards. */
  end(direction: Direction): Promise<void>;
  /** A direction can't be read any more; both sides are closed afterwards. */
  failed?(direction: Direction): Promise<void>;
  /** Both sides are closed. Called once. */
  closed(error: Error | undefined): void;
}

export interface RelayOptions {
  /** unix:///path, unix://@name, or hvsock:///path:port for hosts of hybrid vsock. */
  readonly listen: string;
  /** Address of the agent (see `dial`). */
  readonly to: string;
  /** Called for each connection, when both sides are open. */
  open(connection: RelayedConnection): Passage;
  /** Reports a connection that the agent didn't accept, or that was one too many. */
  onError(error: Error): void;
}

export interface Relay extends AsyncDisposable {
  readonly address: string;
}

/** Listens for a host, and relays each of its connections to a new one to the agent. Rejects with a one-line error. */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const { listen, to } = options;
  const place = parseAddress(listen);
  parseAddress(to);
  if (place.kind === "vsock")
    throw new ConversationError(`listen at ${listen}: not an address on this machine; use unix:// or hvsock://`);
  const accept = place.kind === "hvsock" ? (host: Socket) => acceptHybrid(host, place.port, stop.signal) : undefined;
  const open = new Set<Promise<void>>();
  const stop = new AbortController();
  let count = 0;
  const server = createServer({ allowHalfOpen: true }, (host) => {
    host.on("error", () => undefined);
    if (open.size >= MAX_CONNECTIONS) {
      host.destroy();
      options.onError(
        new ConversationError(`relay ${listen}: more than ${MAX_CONNECTIONS} connections; one was closed`),
      );
      return;
    }
    count += 1;
    const relayed = relayConnection(host, count, { ...options, accept }, stop.signal).catch(options.onError);
    open.add(relayed);
    void relayed.then(() => open.delete(relayed));
  });
  await listenOn(server, listen, place.path);
  return {
    address: listen,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      stop.abort();
      await Promise.all(open);
      await closed;
    },
  };
}

interface ConnectionOptions extends Pick<RelayOptions, "to" | "open"> {
  /** Resolves once the host may send to the agent. */
  readonly accept: ((host: Socket) => Promise<void>) | undefined;
}

async function listenOn(server: Server, address: string, path: string): Promise<void> {
  try {
    await listenAt(server, { path });
  } catch (error) {
    throw new ConversationError(`listen at ${address}: ${(error as Error).message}`, { cause: error });
  }
}

/** Relays one connection until both directions have ended, or one has failed. */
async function relayConnection(
  host: Socket,
  id: number,
  { to, open, accept }: ConnectionOptions,
  stop: AbortSignal,
): Promise<void> {
  let agent: Duplex;
  try {
    await accept?.(host);
    agent = await dial(to, { signal: stop });
  } catch (error) {
    host.destroy();
    if (stop.aborted) return;
    throw error;
  }
  agent.allowHalfOpen = true;
  agent.on("error", () => undefined);
  const sides = { request: agent, response: host };
  const destroy = () => {
    host.destroy();
    agent.destroy();
  };
  stop.addEventListener("abort", destroy);
  const passage = open({
    id,
    write: (direction, bytes) => write(sides[direction], bytes),
    close: (direction) => void sides[direction].end(destroy),
  });
  let failure: Error | undefined;
  const fail = async (direction: Direction, error: Error) => {
    failure ??= stop.aborted ? new Error("the relay was ended") : error;
    if (!stop.aborted) await passage.failed?.(direction);
    destroy();
  };
  await Promise.all([
    pass(host, agent, "request", passage).catch((error: Error) => fail("request", error)),
    pass(agent, host, "response", passage).catch((error: Error) => fail("response", error)),
  ]);
  stop.removeEventListener("abort", destroy);
  passage.closed(failure);
}

/** Passes one direction. Leaves both streams open, so that the other direction can continue. */
async function pass(from: Duplex, to: Duplex, direction: Direction, passage: Passage): Promise<void> {
  for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    await passage.receive(direction, chunk);
  }
  await passage.end(direction);
  if (to.destroyed) return;
  await new Promise<void>((resolve) => {
    to.once("close", resolve);
    to.end(resolve);
  });
}

function write(to: Duplex, bytes: Buffer): Promise<void> {
  if (to.destroyed || to.writableEnded || to.write(bytes)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      to.off("drain", done).off("close", done);
      resolve();
    };
    to.on("drain", done).on("close", done);
  });
}
