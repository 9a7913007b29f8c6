import { setTimeout as sleep } from "node:timers/promises";
import type { guestd } from "../../../proto/gen/messages.js";
import type { dial } from "../dial.ts";
import { answers, requests } from "../edge/stream-messages.ts";
import { RpcError } from "../rpc-error.ts";
import { agentFrames } from "./agent-frames.ts";

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2000;

/** A part of an update: see proto/watch.proto. */
export type WatchUpdate = guestd.v1.WatchUpdate;

/** Message to a watcher; after `lost`, the whole state follows as soon as the agent answers again. */
export type WatchMessage =
  | { readonly type: "update"; readonly update: WatchUpdate }
  | { readonly type: "lost"; readonly reason: string };

export interface WatchOptions {
  /** Time between two updates, in ms; by default a second. */
  readonly intervalMs?: number;
  readonly dial?: typeof dial;
  readonly signal?: AbortSignal;
}

/**
 * Yields the state of a guest and then its changes, over any number of connections, until the signal aborts. `address` is that of
 * guestd.v1.Streams. Throws RpcError if the agent refuses, and the error of the first connection if it fails.
 */
export async function* readWatch(address: string, options: WatchOptions = {}): AsyncGenerator<WatchMessage, void> {
  const { intervalMs = 0, signal } = options;
  const request = requests.watch.encode({ version: 1, interval_ms: intervalMs });
  let isAnswered = false;
  let pause = FIRST_PAUSE_MS;
  while (signal?.aborted !== true) {
    let reason = "the connection ended";
    let isLive = false;
    try {
      for await (const { type, payload } of agentFrames(address, "watch", request, options)) {
        if (type !== "watchUpdate") continue;
        isLive = isAnswered = true;
        pause = FIRST_PAUSE_MS;
        yield { type: "update", update: answers.watch.decode(payload) };
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (error instanceof RpcError || !isAnswered) throw error;
      reason = error instanceof Error ? error.message : String(error);
    }
    if (signal?.aborted) return;
    if (!isAnswered) throw new RpcError("unavailable", `watch: ${reason} before the agent's answer`);
    if (isLive) yield { type: "lost", reason };
    await sleep(pause, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    pause = Math.min(pause * 2, MAX_PAUSE_MS);
  }
}
