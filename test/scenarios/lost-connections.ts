import { expect } from "vitest";
import type { AgentClient, ConnectOptions } from "../../host/client/agent-client.ts";
import { killClient } from "./kill-client.ts";
import type { Machine } from "./machine.ts";
import { startEater } from "./memory-eater.ts";
import { Pod } from "./pod.ts";

/** Connections that are closed, before one that dies with its host. */
const CLOSED = 3;
/** Output that the container prints each time. */
const LINES = Array.from({ length: 200 }, (_, index) => `${index + 1}\n`).join("");
const COUNTS = "while read n; do [ $n = end ] && exit 5; seq 1 $n; seq 1 $n >&2; done";

/**
 * Expects connections that end during reads, waits and polls to lose nothing: the next caller gets every byte, every
 * status and, if memory can be limited, every OOM event.
 */
export async function lostConnections(machine: Machine, options: ConnectOptions): Promise<void> {
  await using client = await machine.connect(options);
  const pod = await Pod.open(machine, client);
  const container_id = await pod.start(["sh", "-c", COUNTS]);
  const exec_id = await pod.exec(container_id, ["sleep", "1000"]);
  const ids = { container_id, exec_id };
  const [closedEater, killedEater] = machine.real ? [await startEater(pod), await startEater(pod)] : [];

  const got = { readStdout: "", readStderr: "" };
  const read = async (name: keyof typeof got, { agent }: AgentClient) => {
    const { data } = await agent[name]({ container_id, exec_id: container_id, len: 4096 });
    got[name] += Buffer.from(data).toString();
  };
  const readAll = async (lost: number, from: AgentClient) => {
    for (const name of ["readStdout", "readStderr"] as const) {
      while (got[name].length < LINES.length * lost) await read(name, from);
    }
  };
  await print(pod, container_id);
  for (let lost = 1; lost <= CLOSED; lost++) {
    const dying = await machine.connect(options);
    await readAll(lost, dying);
    const requests = [read("readStdout", dying), read("readStderr", dying), ...waitingCalls(dying, ids)];
    const ends = Promise.allSettled(requests);
    await dying.health.check({}); // the agent has received them
    await dying.close();
    await print(pod, container_id); // before or after the agent notices
    if (lost === CLOSED && closedEater !== undefined) await input(pod, closedEater, "go\n");
    expect((await ends).map(({ status }) => status)).toEqual(requests.map(() => "rejected"));
  }

  await using second = await machine.connect(options);
  if (closedEater !== undefined) await expectOomEvent(second, closedEater);
  await readAll(CLOSED + 1, second);
  await killClient(machine, options, ids);
  await print(pod, container_id); // before or after the agent notices
  if (killedEater !== undefined) await input(pod, killedEater, "go\n");
  await pod.client.agent.signalProcess({ ...ids, signal: 9 });
  await input(pod, container_id, "end\n");
  const next = new Pod(machine, second);
  const { stdout, stderr, status } = await next.finish(container_id, container_id);
  const expected = LINES.repeat(CLOSED + 2);
  expect([got.readStdout + stdout === expected, got.readStderr + stderr === expected, status]).toEqual([true, true, 5]);
  expect((await next.finish(container_id, exec_id)).status).toBe(137);
  if (killedEater !== undefined) await expectOomEvent(second, killedEater);
  for (const id of [closedEater, killedEater, container_id]) if (id !== undefined) await next.remove(id);
}

function waitingCalls({ agent }: AgentClient, { container_id, exec_id }: { container_id: string; exec_id: string }) {
  return [
    agent.readStdout({ container_id, exec_id, len: 4096 }),
    agent.waitProcess({ container_id, exec_id: container_id }),
    agent.waitProcess({ container_id, exec_id }),
    agent.getOOMEvent({}),
  ];
}

async function expectOomEvent({ agent }: AgentClient, eater: string): Promise<void> {
  expect((await agent.getOOMEvent({}, { timeoutMs: 30_000 })).container_id).toBe(eater);
}

async function print(pod: Pod, container_id: string): Promise<void> {
  await input(pod, container_id, "200\n");
}

async function input({ client }: Pod, container_id: string, text: string): Promise<void> {
  await client.agent.writeStdin({ container_id, exec_id: container_id, data: Buffer.from(text) });
}
