import { expect } from "vitest";
import type { AgentClient, ConnectOptions } from "../../host/client/agent-client.ts";
import type { Machine } from "./machine.ts";
import { ociSpec } from "./oci.ts";
import { Pod } from "./pod.ts";

const LOST = 3;
/** What it prints each time. */
const LINES = Array.from({ length: 200 }, (_, index) => `${index + 1}\n`).join("");
const COUNTS = "while read n; do [ $n = end ] && exit 5; seq 1 $n; seq 1 $n >&2; done";
/** More than its limit allows. */
const EATS = "read go; head -c 100000000 /dev/zero | tail -c 100000000 >/dev/null";
const LIMIT = 24 << 20;

/**
 * Connections that end while they read, wait and poll. What happens then is told to those who ask next: every byte,
 * status and, where memory can be limited, OOM event.
 */
export async function lostConnections(machine: Machine, options: ConnectOptions): Promise<void> {
  await using client = await machine.connect(options);
  const pod = await Pod.open(machine, client);
  const container_id = await pod.start(["sh", "-c", COUNTS]);
  const exec_id = await pod.exec(container_id, ["sleep", "1000"]);
  const eater = machine.real ? await pod.start(["sh", "-c", EATS], limited()) : undefined;

  const got = { readStdout: "", readStderr: "" };
  const read = async (name: keyof typeof got, { agent }: AgentClient) => {
    const { data } = await agent[name]({ container_id, exec_id: container_id, len: 4096 });
    got[name] += Buffer.from(data).toString();
  };
  await print(pod, container_id);
  for (let lost = 1; lost <= LOST; lost++) {
    const dying = await machine.connect(options);
    for (const name of ["readStdout", "readStderr"] as const) {
      while (got[name].length < LINES.length * lost) await read(name, dying);
    }
    const asked = [
      read("readStdout", dying),
      read("readStderr", dying),
      dying.agent.readStdout({ container_id, exec_id, len: 4096 }),
      dying.agent.waitProcess({ container_id, exec_id: container_id }),
      dying.agent.waitProcess({ container_id, exec_id }),
      dying.agent.getOOMEvent({}),
    ];
    const ends = Promise.allSettled(asked);
    await dying.health.check({}); // the agent has them
    await dying.close();
    await print(pod, container_id); // before the agent knows, or after
    if (lost === 2 && eater !== undefined) await input(pod, eater, "go\n");
    expect((await ends).map(({ status }) => status)).toEqual(asked.map(() => "rejected"));
  }
  await pod.client.agent.signalProcess({ container_id, exec_id, signal: 9 });
  await input(pod, container_id, "end\n");

  await using second = await machine.connect(options);
  const next = new Pod(machine, second);
  const { stdout, stderr, status } = await next.finish(container_id, container_id);
  const expected = LINES.repeat(LOST + 1);
  expect([got.readStdout + stdout === expected, got.readStderr + stderr === expected, status]).toEqual([true, true, 5]);
  expect((await next.finish(container_id, exec_id)).status).toBe(137);
  if (eater !== undefined) {
    expect((await second.agent.getOOMEvent({}, { timeoutMs: 30_000 })).container_id).toBe(eater);
    await next.remove(eater);
  }
  await next.remove(container_id);
}

function limited() {
  const { Linux } = ociSpec("/", []);
  return { Linux: { ...Linux, Resources: { Memory: { Limit: LIMIT, Swap: LIMIT } } } };
}

async function print(pod: Pod, container_id: string): Promise<void> {
  await input(pod, container_id, "200\n");
}

async function input({ client }: Pod, container_id: string, text: string): Promise<void> {
  await client.agent.writeStdin({ container_id, exec_id: container_id, data: Buffer.from(text) });
}
