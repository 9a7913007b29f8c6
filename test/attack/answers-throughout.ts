import { expect } from "vitest";
import type { Pod } from "../scenarios/pod.ts";
import { HELD_UP_MS } from "./held-up-ms.ts";

/**
 * What `attack` gives. Meanwhile another container is alive and gets execs, and no Check is held up;
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
  expect(longest, "the longest time without an answer, ms").toBeLessThan(HELD_UP_MS);
  return result;
}
