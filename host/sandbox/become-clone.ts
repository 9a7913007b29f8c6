import { randomBytes, randomInt } from "node:crypto";
import type { AgentClient } from "../client/agent-client.ts";

const ENTROPY_BYTES = 64;
/** Two clones of a snapshot get the same epoch with a probability of 2^-47. Epochs stay below 2^53 for 64 generations. */
const EPOCH_STEPS = 2 ** 47;
/** Time limit in milliseconds, in which the agent starts anew. */
const RESUMED_MS = 30_000;

/** Returns an epoch for a clone, above its snapshot's. */
export function nextEpoch(epoch: number): number {
  return epoch + 1 + randomInt(EPOCH_STEPS);
}

/** Tells the agent of a restored guest that it is a clone: randomness, time and host name. Returns its epoch. */
export async function becomeClone(client: AgentClient, snapshotEpoch: number, hostname: string): Promise<number> {
  const epoch = nextEpoch(snapshotEpoch);
  const entropy = randomBytes(ENTROPY_BYTES);
  await client.guest.resumed({ epoch, entropy, hostname, ...presentTime() }, { timeoutMs: RESUMED_MS });
  return epoch;
}

/** Returns the present time in the fields of Resumed. */
export function presentTime(now = performance.timeOrigin + performance.now()) {
  const seconds = Math.floor(now / 1000);
  return { realtime_seconds: seconds, realtime_nanos: Math.floor((now - seconds * 1000) * 1e6) };
}
