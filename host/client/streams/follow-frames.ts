import type { FrameType, StreamFrame } from "../../../proto/stream-frame.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { type ReconnectOptions, Reconnects } from "./reconnects.ts";

/** How long connections may end before the agent's first answer. */
const FIRST_MS = 2000;

export interface FollowOptions extends ConnectionOptions {
  /** How long attempts to connect again may fail, ms. Default: a minute; 2 s until the agent has answered once. */
  readonly giveUpMs?: number | undefined;
}

export interface Followed extends Omit<ReconnectOptions, "signal"> {
  readonly type: FrameType;
  /** Returns the first frame of a connection, which continues where the one before ended. */
  request(): Uint8Array;
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
  { type, request, onAbort, ...followed }: Followed,
  { giveUpMs, ...options }: FollowOptions,
): AsyncGenerator<StreamFrame | Lost, never> {
  const { limitMs = giveUpMs } = followed;
  const reconnects = new Reconnects({
    firstLimitMs: giveUpMs ?? FIRST_MS,
    ...followed,
    limitMs,
    signal: options.signal,
  });
  let isLive = false;
  for (;;) {
    let reason: string;
    try {
      using connection = await Connection.open(address, type, request(), options, onAbort);
      for (const frames = connection.frames(); ; ) {
        const { value: frame } = await frames.next();
        reconnects.answered();
        isLive = true;
        yield frame;
      }
    } catch (error) {
      if (!isLive) options.signal?.throwIfAborted();
      reason = reconnects.lost(error).message;
    }
    if (isLive) yield { type: "lost", reason };
    isLive = false;
    await reconnects.pause();
  }
}
