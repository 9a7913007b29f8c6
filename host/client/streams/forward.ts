import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { dial } from "../dial.ts";
import { requests } from "../edge/stream-messages.ts";
import { RpcError } from "../rpc-error.ts";
import { cut, dialFrames, type ForwardDialOptions, firstFrame, sendFrame } from "./forward-frames.ts";
import { ForwardedStream } from "./forwarded-stream.ts";

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1000;
/** How long attempts to reach the agent go on by default. */
export const OPEN_MS = 20_000;
/** Longest answer of the agent to one attempt: it gives a target 10 s. */
const ANSWER_MS = 15_000;

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

export interface ForwardOptions extends ForwardDialOptions {
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
  ...{ container_id: container, host, port, path },
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
  return repeatCut(options, async (signal) => {
    const id = randomBytes(16);
    const [upload, download] = await both(
      dialFrames(address, "forward", requests.forward.encode({ version: 1, id, ...request }), { ...options, signal }),
      dial(address, { ...options, signal }).catch((error: Error) => {
        throw cut(error.message, error);
      }),
    );
    download.on("error", () => undefined);
    try {
      await firstFrame(upload, signal);
      sendFrame(download, "forwardJoin", requests.forwardJoin.encode({ id }));
      await firstFrame(download, signal);
      return new ForwardedStream(upload, download);
    } catch (error) {
      for (const socket of [upload, download]) socket.destroy();
      throw error;
    }
  });
}

/** Opens a flow of datagrams. The agent answers with its first frame; what follows is framed by lengths. */
export function openFlow(address: string, target: ForwardTarget, options: ForwardOptions): Promise<Duplex> {
  return repeatCut(options, async (signal) => {
    const request = { version: 1, id: randomBytes(16), ...requestOf(target), udp: true };
    const socket = await dialFrames(address, "forward", requests.forward.encode(request), { ...options, signal });
    await firstFrame(socket, signal);
    return socket;
  });
}

/** Repeats an attempt until it succeeds, the target refuses, or time is up. A guest that is quiesced for a snapshot is "unavailable". */
export async function repeatCut<T>(options: ForwardOptions, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { openMs = OPEN_MS, signal } = options;
  const deadline = performance.now() + openMs;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, MAX_PAUSE_MS)) {
    const answered = AbortSignal.timeout(ANSWER_MS);
    try {
      return await attempt(signal === undefined ? answered : AbortSignal.any([answered, signal]));
    } catch (error) {
      signal?.throwIfAborted();
      const isCut = answered.aborted || (error instanceof RpcError && ["cut", "unavailable"].includes(error.kind));
      if (!isCut) throw error;
      if (performance.now() + pause > deadline) throw error instanceof RpcError ? error : cut("no answer", error);
      await sleep(pause, undefined, signal === undefined ? {} : { signal });
    }
  }
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
