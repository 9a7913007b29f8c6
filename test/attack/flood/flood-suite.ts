import { readdirSync, readlinkSync } from "node:fs";
import { expect, it, vi } from "vitest";
import { describeInNamespaces } from "../../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../../namespaces/testing/host-agent.ts";
import { type Conversation, flood } from "./flood.ts";
import { http2Conversation } from "./http2-conversation.ts";
import { streamsConversation } from "./streams-conversation.ts";
import { ttrpcConversation } from "./ttrpc-conversation.ts";

/** GUESTD_SEED repeats a run. */
const SEED = Number(process.env["GUESTD_SEED"] ?? Date.now() % 100_000);
const WIDTH = 60;

/** Floods each port of an agent with as many connections, whose clients send anything and leave at any byte. */
export function floodSuite(connections: number): void {
  describeInNamespaces(`${connections} connections that are cut at any byte (seed ${SEED})`, () => {
    it.each<readonly [string, string, Conversation]>([
      ["HTTP/2", "", http2Conversation],
      ["ttRPC", "", ttrpcConversation],
      ["guestd.v1.Streams", "_1028", streamsConversation],
    ])("neither end the agent nor stay open in it: %s", async (name, port, conversation) => {
      await using machine = await startHostAgent();
      await using other = await machine.connect();
      await other.health.check({});
      await using grpc = await machine.connect({ protocol: "grpc" });
      await grpc.health.check({}); // loads gRPC
      const agent = await machine.agentPid();
      const before = socketsOf(agent);
      const path = `${machine.address.slice("unix://".length)}${port}`;
      const seeds = Array.from({ length: connections }, (_, at) => SEED * 1_000_000 + at);
      const flooded = await flood({ path, conversation, seeds, width: WIDTH });
      process.stdout.write(`${name}: ${JSON.stringify(flooded)}\n`);
      expect(machine.console()).not.toContain("the agent ended");
      await other.health.check({});
      // A connection that nothing reads any more is closed after 30 s.
      await vi.waitFor(
        () => {
          expect(machine.console()).not.toContain("the agent ended");
          expect(socketsOf(agent)).toBeLessThanOrEqual(before);
        },
        { timeout: 60_000, interval: 100 },
      );
      await using added = await machine.connect({ protocol: "grpc" });
      await added.health.check({});
      expect(await machine.agentPid(), "the agent is the same").toBe(agent);
    });
  });
}

/** Returns how many sockets a process has. */
function socketsOf(pid: number): number {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  return links.filter((link) => link.startsWith("socket:")).length;
}

/** Returns what a link refers to, or "" if it is gone. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
