import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { encodeHeader, FRAME_REQUEST, MAX_BODY_BYTES } from "../../proto/ttrpc-frame.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { PREFACE } from "../transport/testing/http2-frames.ts";
import { HELD_UP_MS } from "./testing/held-up-ms.ts";
import { residentMib } from "./testing/resident-mib.ts";

/** Connections; more over gRPC than the heap of a guest's agent could hold. */
const COUNT = 2500;
const MOST_GRPC = 512;

const GREETING = Buffer.concat([PREFACE, Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0)]);
const REQUEST = encodeHeader(MAX_BODY_BYTES, { streamId: 1, type: FRAME_REQUEST, flags: 0 });

describeInNamespaces("a peer that connects thousands of times", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let other: AgentClient;
  let agent: number;
  let sockets: Socket[] = [];

  beforeAll(async () => {
    machine = await startHostAgent();
    other = await machine.connect();
    agent = await machine.agentPid();
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    sockets = [];
  });
  afterAll(async () => {
    await other?.close();
    await machine?.[Symbol.asyncDispose]();
  });

  function open(): Promise<Socket> {
    return new Promise((resolve) => {
      const socket = connect(machine.address.replace("unix://", ""));
      sockets.push(socket);
      socket.on("error", () => socket.destroy()).once("close", () => resolve(socket));
      socket.resume().once("connect", () => resolve(socket));
    });
  }

  const alive = () => sockets.filter((socket) => !socket.destroyed).length;

  /** Calls Check over the earlier connection, and over a new one, for as long as `attack` takes. */
  async function answeredDuring(attack: () => Promise<unknown>): Promise<void> {
    let ended = false;
    const attacking = attack().finally(() => {
      ended = true;
    });
    attacking.catch(() => undefined);
    let longest = 0;
    do {
      const start = performance.now();
      await using added = await machine.connect();
      await Promise.all([other, added].map((client) => client.health.check({})));
      longest = Math.max(longest, performance.now() - start);
      await sleep(20);
    } while (!ended);
    await attacking;
    expect(longest).toBeLessThan(HELD_UP_MS);
    expect(await machine.agentPid(), `the agent is the same: ${machine.console().slice(-4000)}`).toBe(agent);
  }

  /** Sends one more byte over each connection in turn. */
  async function drip(bytes: Buffer, rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      for (const [at, socket] of sockets.entries()) {
        if (!socket.destroyed) socket.write(bytes.subarray(round, round + 1));
        if (at % 500 === 0) await sleep(20);
      }
    }
  }

  it.each([
    ["ttRPC", Buffer.concat([REQUEST, Buffer.alloc(5)]), COUNT],
    ["gRPC", GREETING, MOST_GRPC],
  ] as const)("and sends a byte at a time delays no other client: %s", async (_name, bytes, most) => {
    const before = residentMib(agent);
    await answeredDuring(async () => {
      for (let count = 0; count < COUNT; count++) await open();
      await drip(bytes, bytes.length);
    });
    await expect.poll(() => alive()).toBe(most);
    expect(residentMib(agent) - before).toBeLessThan(120);
  });

  it("and hangs up at once keeps no other client out, and its refusals produce few log lines", async () => {
    const before = machine.console().length;
    const until = performance.now() + 3000;
    const churn = async (bytes: Buffer) => {
      while (performance.now() < until) (await open()).end(bytes).destroy();
    };
    await answeredDuring(() => Promise.all(Array.from({ length: 40 }, (_, at) => churn(at % 2 ? GREETING : REQUEST))));
    expect(sockets.length).toBeGreaterThan(1000);
    expect(machine.console().slice(before).split("\n").length).toBeLessThan(20);
  });
});
