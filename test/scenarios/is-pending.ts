import { setTimeout as sleep } from "node:timers/promises";

/**
 * Resolves with true if the call has no answer after `ms`. Unlike a time limit, this doesn't give the call up: an agent
 * whose clock is behind may still answer such a call, and the answer is lost.
 */
export async function isPendingFor(ms: number, call: Promise<unknown>): Promise<boolean> {
  const answered = call.then(
    () => false,
    () => false,
  );
  return await Promise.race([answered, sleep(ms, true)]);
}
