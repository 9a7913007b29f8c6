import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { dial } from "../dial.ts";
import { requests } from "../edge/stream-messages.ts";
import { type ConnectionOptions, openSocket } from "./connection.ts";
import { greet } from "./forward-frames.ts";
import { ForwardedStream } from "./forwarded-stream.ts";
import { repeat } from "./repeat.ts";

/** How long attempts to reach the agent go on by default. */
const OPEN_MS = 20_000;

/** Target of a connection, in the network namespace of a container, or of the guest. */
export interface ForwardTarget {
  /** Default: the guest itself. */
  readonly container?: string;
  /** An IP address, or a name in the container's /etc/hosts. Default: localhost. */
  readonly host?: string;
  readonly port?: number;
  /** Path of a unix socket inside the container, or `@name`, in place of host and port. */
  readonly path?: string;
}

export interface ForwardOptions extends ConnectionOptions {
  /** How long attempts to reach the agent go on, ms: it may be restarting. Default: 20 s. */
  readonly openMs?: number;
}

/** Message of a target; also for UDP and reverse forwards. */
export interface OpenRequest {
  readonly container_id?: string;
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly udp?: boolean;
  readonly listener?: Uint8Array;
}

export const requestOf = ({ container = "", host = "", port = 0, path = "" }: ForwardTarget): OpenRequest => ({
  container_id: container,
  host,
  port,
  path,
});

/**
 * Opens a forwarded connection at the address of guestd.v1.Streams (see `dial`). Rejects with RpcError: the target's
 * refusal, at once; "cut" if the agent could not be reached in time.
 */
export function openForward(address: string, target: ForwardTarget, options: ForwardOptions = {}): Promise<Duplex> {
  return openStream(address, requestOf(target), options);
}

/** Opens a forwarded connection of any request but UDP. */
export function openStream(address: string, request: OpenRequest, options: ForwardOptions): Promise<Duplex> {
  return repeatOpening(address, options, async (open, signal) => {
    const id = randomBytes(16);
    const [upload, download] = await both(open(), open());
    try {
      await greet(upload, "forward", requests.forward.encode({ version: 1, id, ...request }), signal);
      await greet(download, "forwardJoin", requests.forwardJoin.encode({ id }), signal);
      return new ForwardedStream(upload, download);
    } catch (error) {
      for (const socket of [upload, download]) socket.destroy();
      throw error;
    }
  });
}

/** Opens a flow of datagrams. The agent answers with its first frame; what follows is framed by lengths. */
export function openFlow(address: string, target: ForwardTarget, options: ForwardOptions): Promise<Duplex> {
  return repeatOpening(address, options, async (open, signal) => {
    const request = { version: 1, id: randomBytes(16), ...requestOf(target), udp: true };
    const socket = await open();
    await greet(socket, "forward", requests.forward.encode(request), signal);
    return socket;
  });
}

function repeatOpening(
  address: string,
  { openMs = OPEN_MS, ...options }: ForwardOptions,
  attempt: (open: () => Promise<Duplex>, signal: AbortSignal) => Promise<Duplex>,
): Promise<Duplex> {
  const retries = { name: () => "forward", cut: (reason: string) => `forward: ${reason}`, limitMs: openMs };
  return repeat({ ...retries, signal: options.signal }, (signal) =>
    attempt(() => openSocket(address, { dial, ...options, signal }), signal),
  );
}

/** Awaits two connections; closes the one that succeeds if the other fails. */
async function both(first: Promise<Duplex>, second: Promise<Duplex>): Promise<[Duplex, Duplex]> {
  try {
    return await Promise.all([first, second]);
  } catch (error) {
    for (const each of [first, second]) each.then((socket) => socket.destroy()).catch(() => undefined);
    throw error;
  }
}
