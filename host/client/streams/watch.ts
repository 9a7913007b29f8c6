import type { guestd } from "../../../proto/gen/messages.js";
import { answers, requests } from "../edge/stream-messages.ts";
import type { ConnectionOptions } from "./connection.ts";
import { followFrames, type Lost } from "./follow-frames.ts";

const MAX_PAUSE_MS = 2000;

/** A part of an update: see proto/watch.proto. */
export type WatchUpdate = guestd.v1.WatchUpdate;

/** Message to a watcher; after `lost`, the whole state follows as soon as the agent answers again. */
export type WatchMessage = { readonly type: "update"; readonly update: WatchUpdate } | Lost;

export interface WatchOptions extends ConnectionOptions {
  /** Time between two updates, in ms; by default a second. */
  readonly intervalMs?: number;
}

/**
 * Yields the state of a guest and then its changes, over any number of connections, until the signal aborts. `address` is that of
 * guestd.v1.Streams. Throws RpcError if the agent refuses, or if the first connection fails.
 */
export async function* readWatch(
  address: string,
  { intervalMs = 0, ...options }: WatchOptions = {},
): AsyncGenerator<WatchMessage, void> {
  const request = requests.watch.encode({ version: 1, interval_ms: intervalMs });
  const followed = {
    ...({ name: () => "watch", type: "watch", request: () => request } as const),
    mostMs: MAX_PAUSE_MS,
    limitMs: Number.POSITIVE_INFINITY,
  };
  try {
    for await (const frame of followFrames(address, followed, options)) {
      if (options.signal?.aborted) return;
      if (frame.type === "lost") yield frame;
      else if (frame.type === "watchUpdate") yield { type: "update", update: answers.watch.decode(frame.payload) };
    }
  } catch (error) {
    if (!options.signal?.aborted) throw error;
  }
}
