import { once } from "node:events";
import { rmSync, watch } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type AgentClient, connect } from "../../host/client/agent-client.ts";
import { startInit } from "../init/harness.ts";
import type { Samples } from "./samples.ts";

/** An agent that has not bound its socket after this is broken. */
const LIMIT_MS = 10_000;

/**
 * Starts init and an agent, and adds the ms from the agent's exec (as init saw it) to its first answered Check. `socket`
 * is a path that the agent sees as well. CLOCK_MONOTONIC is the same inside and outside.
 */
export async function firstAnswer(command: readonly string[], socket: string, into: Samples): Promise<void> {
  rmSync(socket, { force: true });
  const watcher = watch(dirname(socket));
  const bound = once(watcher, "change", { signal: AbortSignal.timeout(LIMIT_MS) });
  const agentCommand = ["/usr/bin/env", `KATA_AGENT_SERVER_ADDR=unix://${socket}`, ...command];
  await using init = startInit({ agentCommand });
  try {
    await bound;
  } finally {
    watcher.close();
  }
  await using client = await connectSoon(`unix://${socket}`);
  await client.health.check({});
  const answered = Number(process.hrtime.bigint()) / 1000;
  const [, executed] = await init.waitForConsole(/"marks":\{"init":\d+,"agent":(\d+)/);
  into.add((answered - Number(executed)) / 1000);
}

/** A socket is bound some ms before it listens. */
async function connectSoon(address: string): Promise<AgentClient> {
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    try {
      return await connect(address);
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(1);
    }
  }
}
