import { expect } from "vitest";
import { type AgentClient, connect } from "../../../../host/client/agent-client.ts";
import type { Machine } from "../../../scenarios/machine.ts";
import { Pod } from "../../../scenarios/pod.ts";

/** One second is promised, and asserted by the nightly run; an emulated processor on a busy machine is slower. */
const SLOWEST_CHECK_MS = 3000;

const PAUSE_MS = 50;

/** Does in a pod what hosts do with other containers: a new connection, create, exec, a terminal, kill, remove. */
export async function expectNeighboursWell(machine: Machine, rootfs: string, running: string): Promise<void> {
  await using client = await connect(machine.address);
  const pod = new Pod(machine, client);
  const id = await pod.start(["sleep", "1000"], { Root: { Path: rootfs } });
  for (const container of [running, id]) {
    expect((await pod.execute(container, ["echo", "here"])).stdout.toString()).toBe("here\n");
    expect(await ttyOf(pod, container)).toMatch(/^\/dev\/pts\/\d+\r\n$/);
  }
  await client.agent.signalProcess({ container_id: id, exec_id: id, signal: 9 });
  expect((await client.agent.waitProcess({ container_id: id, exec_id: id })).status).toBe(137);
  await pod.remove(id);
}

/** Returns the terminal of an exec. With a terminal, both outputs arrive as one. */
async function ttyOf(pod: Pod, container_id: string): Promise<string> {
  const exec_id = await pod.exec(container_id, ["tty"], { Terminal: true });
  const text = (await pod.drain("readStdout", container_id, exec_id)).toString();
  await pod.client.agent.waitProcess({ container_id, exec_id });
  return text;
}

/**
 * Calls Check repeatedly while `work` runs. Resolves to its result and the slowest response in milliseconds; fails if
 * one took too long.
 */
export async function whileChecking<T>(
  client: AgentClient,
  work: () => Promise<T>,
): Promise<{ slowest: number; result: T }> {
  let slowest = 0;
  let done = false;
  const asking = (async () => {
    while (!done) {
      const from = performance.now();
      await client.health.check({});
      slowest = Math.max(slowest, performance.now() - from);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  })();
  const result = await work().finally(() => {
    done = true;
    return asking;
  });
  expect(slowest, "milliseconds until Check was answered").toBeLessThan(SLOWEST_CHECK_MS);
  return { slowest, result };
}
