import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Pod } from "../../scenarios/pod.ts";

/** The longest that a host may wait for a response during an attack, as the threat model promises. */
const LIMIT_MS = 1000;
/** Calls without a pause would take a processor from the attack. */
const PAUSE_MS = 50;

/**
 * Resolves like `attack`. Expects another container to live and to accept execs meanwhile, and every Check to be
 * answered within the limit, also afterwards.
 */
export async function answersThroughout<T>(pod: Pod, attack: () => Promise<T>): Promise<T> {
  const neighbour = await pod.start(["sleep", "1000"]);
  let ended = false;
  const attacking = attack().finally(() => {
    ended = true;
  });
  attacking.catch(() => undefined);
  let longest = 0;
  const ask = async () => {
    const start = performance.now();
    await pod.client.health.check({});
    longest = Math.max(longest, performance.now() - start);
    const { stdout } = await pod.execute(neighbour, ["echo", "alive"], { Env: ["PATH=/bin", "HOME=/"] });
    expect(stdout.toString()).toBe("alive\n");
  };
  while (!ended) {
    await ask();
    await sleep(PAUSE_MS);
  }
  const result = await attacking;
  await ask();
  await pod.remove(neighbour);
  expect(longest, "the longest time without a response, ms").toBeLessThan(LIMIT_MS);
  return result;
}
