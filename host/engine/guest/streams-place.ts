import type { dial } from "../../client/dial.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { streamsAddress } from "../../client/streams/streams-address.ts";
import { dialTarget, type Target } from "./guest-target.ts";

/** Where an agent serves guestd.v1.Streams. */
export interface StreamsPlace {
  readonly address: string;
  /** Default: the client's own. */
  readonly dial?: typeof dial;
}

/** Returns the place beside a target's API. */
export function streamsPlace(target: Target): StreamsPlace {
  return { address: streamsAddress(target.address), dial: dialTarget(target) };
}

/**
 * Uses guestd.v1.Streams, or Kata's calls if the first connection to the streams' address fails: another agent, or one
 * with `agent.streams_port=0`.
 */
export async function byStreamsOrCalls<T>(streams: () => Promise<T>, calls: () => Promise<T>): Promise<T> {
  try {
    return await streams();
  } catch (error) {
    if (error instanceof RpcError && error.kind === "unreachable") return calls();
    throw error;
  }
}
