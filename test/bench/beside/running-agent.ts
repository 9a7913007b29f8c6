import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type AgentClient, connect } from "../../../host/client/agent-client.ts";
import { findProgram } from "../../../host/vm/programs.ts";
import { type RunningInit, startInit } from "../../init/testing/harness.ts";
import type { BenchAgent } from "./agents.ts";

/** Time limit for an agent to serve its socket. */
const LIMIT_MS = 10_000;

/** Root file system of the containers, where agents of the contract look for shared ones. */
export const ROOTFS = "/run/kata-containers/shared/containers/bench";

/** The shell: dash has no clock. */
export const BASH = findProgram("bash") ?? "/bin/bash";
/** Says when the agent is executed, and executes it. */
export const START = 'echo "executed at $EPOCHREALTIME"; exec "$@"';
export const EXECUTED = /executed at (\d+\.\d+)/;

export interface RunningAgent extends AsyncDisposable {
  readonly client: AgentClient;
  readonly pid: number;
  /** Mounts a root file system at ROOTFS. To be called after CreateSandbox: kata-agent empties the folder in that call. */
  share(rootfs: string): void;
  /** Milliseconds from the agent's exec until now. */
  sinceExec(): number;
  /** Milliseconds of processor time of the agent, its containers and all else in the namespaces. */
  cpuMs(): number;
}

/** Starts the agent in namespaces of its own, and connects as soon as it accepts. */
export async function startAgent(agent: BenchAgent, socket: string): Promise<RunningAgent> {
  const served = ["/usr/bin/env", `KATA_AGENT_SERVER_ADDR=unix://${socket}`, ...agent.command];
  await using owned = new AsyncDisposableStack();
  const agentCommand = [BASH, "-c", START, BASH, ...served];
  const init = owned.use(startInit({ agentCommand, init: agent.init }));
  const client = owned.use(await connectSoon(`unix://${socket}`, init));
  const [, executed] = await init.waitForConsole(EXECUTED);
  const [pid] = await init.children();
  if (pid === undefined) throw new Error(`${agent.name}: it has ended; its console: ${init.console()}`);
  const all = owned.move();
  return {
    client,
    pid,
    share: (rootfs) => {
      const script = `mkdir -p ${ROOTFS} && mount -n --bind "$1" ${ROOTFS}`;
      execFileSync("nsenter", ["--target", `${pid}`, "--mount", "sh", "-c", script, "sh", rootfs]);
    },
    sinceExec: () => performance.timeOrigin + performance.now() - 1000 * Number(executed),
    cpuMs: () => cpuOf(init),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function connectSoon(address: string, init: RunningInit): Promise<AgentClient> {
  for (const end = performance.now() + LIMIT_MS; ; await sleep(0.2)) {
    try {
      return await connect(address);
    } catch (error) {
      if (performance.now() > end) throw new Error(`no agent at ${address}: ${init.console()}`, { cause: error });
    }
  }
}

function cpuOf({ cgroup }: RunningInit): number {
  if (cgroup === undefined) throw new Error("this machine has no cgroup v2, which counts processor time");
  return Number(/^usage_usec (\d+)$/m.exec(readFileSync(`${cgroup}/cpu.stat`, "utf8"))?.[1]) / 1000;
}
