import type { FrameType, StreamFrame } from "../../../proto/stream-frame.ts";
import { Retry } from "../retry.ts";
import { isPassing, RpcError } from "../rpc-error.ts";
import { Connection, type ConnectionOptions, isUnreachable } from "./connection.ts";

/** How long connections may end before the agent's first answer. */
const FIRST_MS = 2000;

export interface FollowOptions extends ConnectionOptions {
  /** How long attempts to connect again may fail, ms. Default: a minute; 2 s until the agent has answered once. */
  readonly giveUpMs?: number | undefined;
}

export interface Followed {
  /** Operation, for messages. */
  name(): string;
  readonly type: FrameType;
  /** Returns the first frame of a connection, which continues where the one before ended. */
  request(): Uint8Array;
  /** Tries again although the very first connection fails. */
  readonly waits?: boolean;
  /** Longest pause between two connections, ms. */
  readonly mostMs?: number;
  /** How long later attempts to connect may fail, ms, unless the options say it. */
  readonly laterMs?: number;
  /** Called when the signal aborts while there is a connection. Default: closes it. */
  onAbort?(connection: Connection): void;
}

/** A connection ended; another one follows. Frames that it should have brought may be missing. */
export interface Lost {
  readonly type: "lost";
  readonly reason: string;
}

/**
 * Yields the agent's frames over any number of connections, until the caller stops. Throws RpcError if the agent refuses, or
 * can't be reached (again) in time.
 */
export async function* followFrames(
  address: string,
  { name, type, request, waits = false, mostMs, laterMs = Retry.LIMIT_MS, onAbort }: Followed,
  { giveUpMs, ...options }: FollowOptions,
): AsyncGenerator<StreamFrame | Lost, never> {
  const { signal } = options;
  const retry = new Retry({ limitMs: giveUpMs ?? FIRST_MS, signal, ...(mostMs && { mostMs }) });
  let [isAnswered, isLive] = [false, false];
  for (;;) {
    let reason: RpcError;
    try {
      using connection = await Connection.open(address, type, request(), options, onAbort);
      for await (const frame of connection.frames()) {
        retry.limitMs = giveUpMs ?? laterMs;
        isAnswered = isLive = true;
        retry.succeeded();
        yield frame;
      }
      return undefined as never;
    } catch (error) {
      if (!isAnswered) signal?.throwIfAborted();
      if (!isPassing(error) || (!isAnswered && error.kind === "unavailable")) throw error;
      if (!isAnswered && !waits && isUnreachable(error))
        throw new RpcError("unreachable", error.message, { cause: error });
      reason = error;
    }
    if (isLive) yield { type: "lost", reason: reason.message };
    isLive = false;
    if (retry.failed()) throw new RpcError("unavailable", `${name()}: the connection was lost: ${reason.message}`);
    await retry.pause();
  }
}
