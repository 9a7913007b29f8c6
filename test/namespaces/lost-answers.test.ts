import { afterAll, beforeAll, expect, it } from "vitest";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { killClient } from "../scenarios/kill-client.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

/** 3.4 MB: less than the limit of bytes waiting for one connection, much more than sockets hold. */
const LINES = Array.from({ length: 500_000 }, (_, index) => `${index + 1}\n`).join("");
const READS = 500;
const MOST_IN_SOCKETS = 1 << 20;
describeInNamespaces("a client that stops reading and dies", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  /**
   * Returns what the next client reads after the agent has read all output for a client that received nothing. It begins
   * while that one lives, or once it was killed.
   */
  async function readByNext(protocol: "ttrpc" | "grpc", begins: "before" | "after"): Promise<string> {
    const { agent } = pod.client;
    const container_id = await pod.start(["sh", "-c", "seq 1 500000 >/lines; read go; cat /lines"]);
    const exec_id = await pod.exec(container_id, ["sleep", "1000"]);
    let reading: Promise<string> | undefined;
    const whileItHangs = async () => {
      await agent.writeStdin({ container_id, exec_id: container_id, data: Buffer.from("go\n") });
      await agent.waitProcess({ container_id, exec_id: container_id }); // all is read except what a pipe holds
      if (begins === "after") return;
      reading = readToEnd(pod.client, container_id);
      await pod.client.health.check({}); // the agent has received the read
    };
    await killClient(machine, { protocol }, { container_id, exec_id, reads: READS, whileItHangs });
    const text = await (reading ?? readToEnd(pod.client, container_id));
    await pod.remove(container_id);
    return text;
  }

  it.each([
    ["ttrpc", "after"],
    ["grpc", "after"],
    ["ttrpc", "before"],
    ["grpc", "before"],
  ] as const)(
    "loses only the output that the kernel had accepted: the rest goes to the next client, in order, over %s, if that one begins %s its death",
    async (protocol, begins) => {
      const text = await readByNext(protocol, begins);
      expect(LINES.endsWith(text)).toBe(true);
      expect(text.length).toBeGreaterThan(LINES.length - MOST_IN_SOCKETS);
      expect(text.length).toBeLessThan(LINES.length);
    },
  );
});

/** Reads to the end, which is NOT_FOUND for a process that was waited for. */
async function readToEnd({ agent }: AgentClient, container_id: string): Promise<string> {
  const parts: Uint8Array[] = [];
  try {
    for (;;) parts.push((await agent.readStdout({ container_id, exec_id: container_id, len: 65_536 })).data);
  } catch (error) {
    expect(error).toMatchObject({ kind: "not-found" });
  }
  return Buffer.concat(parts).toString();
}
