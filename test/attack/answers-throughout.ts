import { expect } from "vitest";
import type { Pod } from "../scenarios/pod.ts";

/** Longest that the host waits for an answer while an attack is on, as the threat model promises. */
const LIMIT_MS = 1000;

/**
 * What `attack` gives. Meanwhile another container is alive and gets execs, and every Check is answered within the limit;
 * afterwards too.
 */
export async function answersThroughout<T>(pod: Pod, attack: () => Promise<T>): Promise<T> {
  const neighbour = await pod.start(["sleep", "1000"]);
  let over = false;
  const attacking = attack().finally(() => {
    over = true;
  });
  attacking.catch(() => undefined);
  let longest = 0;
  do {
    const start = performance.now();
    await pod.client.health.check({});
    longest = Math.max(longest, performance.now() - start);
    const { stdout } = await pod.execute(neighbour, ["echo", "alive"], { Env: ["PATH=/bin", "HOME=/"] });
    expect(stdout.toString()).toBe("alive\n");
  } while (!over);
  const result = await attacking;
  await pod.remove(neighbour);
  expect(longest, "the longest time without an answer, ms").toBeLessThan(LIMIT_MS);
  return result;
}
