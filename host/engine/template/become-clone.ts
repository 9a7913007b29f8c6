import { randomBytes, randomInt } from "node:crypto";
import type { AgentClient } from "../../client/agent-client.ts";
import { AGENT_REPLACEMENTS } from "../../client/edge/values.ts";
import { stepClock } from "../guest/step-clock.ts";

const { BEFORE_ANSWER, WHEN_QUIET } = AGENT_REPLACEMENTS;

const ENTROPY_BYTES = 64;
/** Two clones of a snapshot get the same epoch with a probability of 2^-47. Epochs stay below 2^53 for 64 generations. */
const EPOCH_STEPS = 2 ** 47;
/** Time limit in milliseconds, in which the agent starts anew. */
const RESUMED_MS = 30_000;

/** Returns an epoch for a clone, above its snapshot's. */
export function nextEpoch(epoch: number): number {
  return epoch + 1 + randomInt(EPOCH_STEPS);
}

interface OwnIdentity {
  readonly hostname: string;
  /** Lines of its resolv.conf. */
  readonly dns?: readonly string[];
  /** True if the agent that was saved may answer, to be replaced once no call has arrived for a second. */
  readonly keepsAgent?: boolean;
}

/** Tells the agent of a restored guest that it is a clone: randomness, time and what is given. Returns its epoch. */
export async function becomeClone(
  client: Pick<AgentClient, "agent" | "guest">,
  snapshotEpoch: number,
  { hostname, dns = [], keepsAgent = false }: OwnIdentity,
): Promise<number> {
  const epoch = nextEpoch(snapshotEpoch);
  const replacement = keepsAgent ? WHEN_QUIET : BEFORE_ANSWER;
  const identity = { epoch, entropy: randomBytes(ENTROPY_BYTES), hostname, dns, replacement, ...presentTime() };
  await client.guest.resumed(identity, { timeoutMs: RESUMED_MS });
  await stepClock(client);
  return epoch;
}

/** Returns the present time in the fields of Resumed. */
export function presentTime(now = Date.now()) {
  return { realtime_seconds: Math.floor(now / 1000), realtime_nanos: (now % 1000) * 1e6 };
}
