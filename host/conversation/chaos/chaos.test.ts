import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { describe, expect, test } from "vitest";
import { encodeHeader } from "../../../proto/ttrpc-frame.ts";
import { type AgentClient, connect } from "../../client/agent-client.ts";
import { type ScriptedCall, startScriptedServer } from "../testing/scripted-server.ts";
import { startChaos } from "./chaos.ts";
import { parseRule } from "./parse-rule.ts";

type Protocol = "ttrpc" | "grpc";

/** Texts of a call whose connection ended. */
const LOST = { ttrpc: "closed by the agent", grpc: /grpc: (the connection was lost|read ECONNRESET)/ };

/** Starts chaos before a server, and connects through it. */
async function startFaults(
  protocol: Protocol,
  calls: Readonly<Record<string, ScriptedCall>>,
  rules: readonly string[],
  seed = 1,
) {
  const server = await startScriptedServer(calls);
  const actions: string[] = [];
  const errors: string[] = [];
  const listen = `unix://${server.folder}/chaos.sock`;
  const chaos = await startChaos({
    listen,
    to: server.address,
    rules: rules.map(parseRule),
    seed,
    onAction: (text) => actions.push(text),
    onError: (error) => errors.push(error.message),
  });
  const client = await connect(listen, { protocol });
  const close = async () => {
    await client.close();
    await chaos[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  };
  return { client, listen, server, actions, errors, [Symbol.asyncDispose]: close };
}

const SERVES = { Check: () => ({ status: "SERVING" }), StartContainer: () => ({}), WaitProcess: () => ({ status: 3 }) };

/** Makes calls one after the other. Returns "ok" or the error of each. */
async function outcomes(client: AgentClient, count: number): Promise<string[]> {
  const results: string[] = [];
  for (let index = 0; index < count; index++) {
    results.push(
      await client.health.check({}).then(
        () => "ok",
        (error: { kind: string }) => error.kind,
      ),
    );
  }
  return results;
}

describe.each<Protocol>(["ttrpc", "grpc"])("over %s", (protocol) => {
  test("answers the nth request with an error, without the agent", async () => {
    await using faults = await startFaults(protocol, SERVES, ['call=Check,nth=2,fail=UNAVAILABLE:"not, now"']);
    expect((await faults.client.health.check({})).status).toBe(1);
    await expect(faults.client.health.check({})).rejects.toThrow("not, now");
    expect((await faults.client.health.check({})).status).toBe(1);
    expect(faults.server.seen).toEqual(["Check", "Check"]);
    expect(faults.actions).toEqual([
      'connection 1, request of Check, stream 3: call=Check,nth=2,fail=UNAVAILABLE:"not, now"',
    ]);
  });

  test("delays a response, which others overtake", async () => {
    await using faults = await startFaults(protocol, SERVES, ["call=WaitProcess,direction=response,delay=100ms"]);
    const order: string[] = [];
    const begun = performance.now();
    const waiting = faults.client.agent.waitProcess({}).then(({ status }) => order.push(`waited ${status}`));
    await faults.client.health.check({}).then(() => order.push("checked"));
    await waiting;
    expect(order).toEqual(["checked", "waited 3"]);
    expect(performance.now() - begun).toBeGreaterThan(95);
  });

  test("drops a request, which is never answered, and passes others twice", async () => {
    await using faults = await startFaults(protocol, SERVES, [
      "call=WaitProcess,drop",
      "call=StartContainer,duplicate",
    ]);
    await expect(faults.client.agent.waitProcess({}, { timeoutMs: 100 })).rejects.toThrow("no answer within 100 ms");
    await faults.client.agent.startContainer({});
    await faults.client.health.check({});
    expect(faults.server.seen).toEqual(["StartContainer", "StartContainer", "Check"]);
  });

  test("a cut at 0 bytes closes the connection before the request; other connections continue", async () => {
    await using faults = await startFaults(protocol, SERVES, ["call=WaitProcess,cut=0"]);
    await using other = await connect(faults.listen, { protocol });
    await expect(faults.client.agent.waitProcess({})).rejects.toThrow(LOST[protocol]);
    expect((await other.health.check({})).status).toBe(1);
    expect(faults.server.seen).toEqual(["Check"]);
  });

  test("kills a process, then passes the frame", async () => {
    const child = spawn("sleep", ["1000"]);
    const ended = once(child, "exit");
    await using faults = await startFaults(protocol, SERVES, [
      `call=Check,nth=1,kill=${child.pid}`,
      "call=Check,nth=2,kill=999999999",
    ]);
    expect(await outcomes(faults.client, 2)).toEqual(["ok", "ok"]);
    expect(await ended).toEqual([null, "SIGKILL"]);
    expect(faults.errors).toEqual(["kill 999999999: kill ESRCH"]);
  });

  test("repeats the same faults for the same seed", async () => {
    const run = async (seed: number) => {
      await using faults = await startFaults(protocol, SERVES, ["call=Check,chance=0.5,fail=ABORTED"], seed);
      return await outcomes(faults.client, 30);
    };
    const [first, again, other] = [await run(7), await run(7), await run(8)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    expect(new Set(first)).toEqual(new Set(["ok", "aborted"]));
  });
});

test("cuts the connection after bytes of a response", async () => {
  await using faults = await startFaults("ttrpc", SERVES, ["call=Check,direction=response,cut=11"]);
  const socket = connectSocket(faults.listen.slice("unix://".length));
  // A request of grpc.Health/Check.
  const body = Buffer.concat([
    Buffer.from("0a0b", "hex"),
    Buffer.from("grpc.Health"),
    Buffer.from("1205", "hex"),
    Buffer.from("Check"),
  ]);
  socket.write(Buffer.concat([encodeHeader(body.length, { streamId: 1, type: 1, flags: 0 }), body]));
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "close");
  expect(Buffer.concat(chunks)).toHaveLength(11);
});

test("passes half a frame on, and the rest when it comes", async () => {
  await using faults = await startFaults("ttrpc", SERVES, ["call=WaitProcess,drop"]);
  const socket = connectSocket(faults.listen.slice("unix://".length));
  let received = 0;
  await expect.poll(() => faults.server.sockets.size).toBe(2);
  for (const one of faults.server.sockets) one.on("data", (chunk: Buffer) => (received += chunk.length));
  socket.write(Buffer.from("00000004", "hex"));
  await expect.poll(() => received).toBe(4);
  socket.write(Buffer.from("000000010100", "hex"));
  await expect.poll(() => received).toBe(10);
  socket.destroy();
});
