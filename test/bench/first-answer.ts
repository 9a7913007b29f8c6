import { once } from "node:events";
import { rmSync, watch } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type AgentClient, connect } from "../../host/client/agent-client.ts";
import { startInit } from "../init/testing/harness.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import type { Samples } from "./samples.ts";

/** Time limit for an agent to bind its socket. */
const LIMIT_MS = 10_000;

export interface FreshAgent extends AsyncDisposable {
  readonly client: AgentClient;
  /**
   * Milliseconds from the agent's exec, as recorded by init, until now. CLOCK_MONOTONIC is the same inside and outside.
   */
  sinceExec(): Promise<number>;
}

/** Starts init and an agent, and connects as soon as it listens. `socket` is a path that the agent sees too. */
export async function freshAgent(command: readonly string[], socket: string): Promise<FreshAgent> {
  for (const path of [socket, `${socket}_1028`]) rmSync(path, { force: true });
  const watcher = watch(dirname(socket));
  const bound = once(watcher, "change", { signal: AbortSignal.timeout(LIMIT_MS) });
  const agentCommand = ["/usr/bin/env", `KATA_AGENT_SERVER_ADDR=unix://${socket}`, ...command];
  await using owned = new AsyncDisposableStack();
  const init = owned.use(startInit({ agentCommand }));
  try {
    await bound;
  } finally {
    watcher.close();
  }
  const client = owned.use(await connectSoon(`unix://${socket}`));
  const ends = owned.move();
  return {
    client,
    async sinceExec() {
      const now = Number(process.hrtime.bigint()) / 1000;
      const [, executed] = await init.waitForConsole(/"marks":\{"init":\d+,"agent":(\d+)/);
      return (now - Number(executed)) / 1000;
    },
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  };
}

/** Records the ms from an agent's exec to its first answered Check. */
export async function firstAnswer(command: readonly string[], socket: string, into: Samples): Promise<void> {
  await using agent = await freshAgent(command, socket);
  await agent.client.health.check({});
  into.add(await agent.sinceExec());
}

/** Retries, since a socket is bound a few ms before it listens. */
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

/**
 * Kills an agent and records the ms until the next one answers a Check on the same connection. Uses a new init each
 * time, which restarts the agent immediately, as it does for one that has served for 10 s.
 */
export async function deathToAnswer(agentCommand: readonly string[], into: Samples): Promise<void> {
  await using machine = await startHostAgent({ agentCommand });
  await using client = await machine.connect();
  await client.health.check({});
  const pid = await machine.agentPid();
  await into.time(() => {
    process.kill(pid, "SIGKILL");
    return client.health.check({});
  });
}
