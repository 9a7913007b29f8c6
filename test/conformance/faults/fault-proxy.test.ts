import { join } from "node:path";
import { expect, test } from "vitest";
import { type AgentClient, connect } from "../../../host/client/agent-client.ts";
import { RpcError } from "../../../host/client/rpc-error.ts";
import { type ScriptedCall, startScriptedServer } from "../../../host/conversation/testing/scripted-server.ts";
import { FAULTS } from "./all-faults.ts";
import { answer, error, type Fault, fault, ignored, request, response } from "./fault.ts";
import { startFaultProxy } from "./fault-proxy.ts";

const text = (base64: unknown) => Buffer.from(String(base64), "base64").toString();
const base64 = (value: string) => Buffer.from(value).toString("base64");

const CORRECT: Readonly<Record<string, ScriptedCall>> = {
  Check: () => ({ status: "SERVING" }),
  ReadStdout: () => ({ data: base64("hello") }),
  WriteStdin: ({ data }) => ({ len: text(data ?? "").length }),
  WaitProcess: () => {
    throw new RpcError("not-found", "no such process");
  },
};

/** Runs a test with a client of an agent that has a fault. */
async function withFault(
  one: Fault | undefined,
  run: (client: AgentClient, seen: readonly string[]) => Promise<void>,
): Promise<number> {
  if (one === undefined) throw new Error("no such fault");
  await using server = await startScriptedServer(CORRECT);
  await using proxy = await startFaultProxy(`unix://${join(server.folder, "fault.sock")}`, server.address, one);
  await using client = await connect(proxy.address);
  await run(client, server.seen);
  return proxy.changes;
}

const faultOf = (name: string) => FAULTS.find((one) => one.name === name);
const ANY = /./;

test("without an effect, everything passes unchanged", async () => {
  const changes = await withFault(fault("nothing", ANY, {}), async (client) => {
    expect((await client.health.check({})).status).toBe(1);
    expect(Buffer.from((await client.agent.readStdout({ len: 10 })).data).toString()).toBe("hello");
    await expect(client.agent.waitProcess({})).rejects.toMatchObject({ kind: "not-found", message: "no such process" });
  });
  expect(changes).toBe(0);
});

test("changes responses, requests, answers and errors of its call only", async () => {
  const data = Buffer.from("typed");
  const faults = [
    response("ReadStdout", (is) => ({ data: is.data.subarray(0, -1) })),
    request("WriteStdin", (is) => ({ ...is, data: is.data.subarray(0, 2) })),
    answer("WaitProcess", () => ({ status: 7 })),
    error("WaitProcess", () => ({ code: 13, text: "other" })),
    ignored("WriteStdin"),
  ];
  const seen: unknown[] = [];
  for (const hooks of faults) {
    const changes = await withFault(fault("one", ANY, hooks), async (client) => {
      const output = Buffer.from((await client.agent.readStdout({ len: 10 })).data).toString();
      const { len } = await client.agent.writeStdin({ data });
      const ended = await client.agent.waitProcess({}).then(
        ({ status }) => status,
        (reason: RpcError) => reason.message,
      );
      seen.push([output, len, ended]);
    });
    expect(changes).toBe(1);
  }
  expect(seen).toEqual([
    ["hell", 5, "no such process"],
    ["hello", 2, "no such process"],
    ["hello", 5, 7],
    ["hello", 5, "other"],
    ["hello", 0, "no such process"],
  ]);
});

test("passes the metadata and the stream of a changed request on", async () => {
  const seen: string[] = [];
  await withFault(
    fault("one", ANY, { answer: (_payload, { metadata }) => void seen.push(...metadata.map(({ value }) => value)) }),
    async (client) => void (await client.health.check({}, { metadata: { key: "value" } })),
  );
  expect(seen).toEqual(["value"]);
});

test("changes frames: another stream, twice, none, and an end", async () => {
  const limit = { timeoutMs: 100 };
  for (const name of [
    "Check: a response is on another stream",
    "Check: a response is never sent",
    "Check: a response lacks its last byte",
  ]) {
    await withFault(faultOf(name), async (client) => {
      await expect(client.health.check({}, limit), name).rejects.toMatchObject({ kind: "deadline-exceeded" });
    });
  }
  await withFault(faultOf("Check: a response comes twice"), async (client) => {
    expect((await client.health.check({})).status).toBe(1);
    expect((await client.health.check({})).status).toBe(1);
  });
  await withFault(faultOf("Check: the connection ends after a response"), async (client) => {
    expect((await client.health.check({})).status).toBe(1);
    await client.closed;
  });
  await withFault(faultOf("WriteStdin: each write happens twice"), async (client, seen) => {
    await client.agent.writeStdin({ data: Buffer.from("x") });
    await client.health.check({});
    expect(seen).toEqual(["WriteStdin", "WriteStdin", "Check"]);
  });
});

test("serves the calls of a connection one after the other", async () => {
  const release = Promise.withResolvers<void>();
  await using server = await startScriptedServer({
    ...CORRECT,
    ReadStdout: async () => {
      await release.promise;
      return {};
    },
  });
  const serial = faultOf("every call: calls of a connection wait for each other");
  if (serial === undefined) throw new Error("no such fault");
  await using proxy = await startFaultProxy(`unix://${join(server.folder, "fault.sock")}`, server.address, serial);
  await using client = await connect(proxy.address);
  const read = client.agent.readStdout({ len: 1 });
  const check = client.health.check({});
  await expect.poll(() => server.seen).toEqual(["ReadStdout"]);
  release.resolve();
  await Promise.all([read, check]);
  expect(server.seen).toEqual(["ReadStdout", "Check"]);
});

test("ends although a connection waits for a response that never comes", async () => {
  const serial = faultOf("every call: calls of a connection wait for each other");
  const never = new Promise<Record<string, unknown>>(() => undefined);
  await using server = await startScriptedServer({ ...CORRECT, ReadStdout: () => never });
  if (serial === undefined) throw new Error("no such fault");
  await using proxy = await startFaultProxy(`unix://${join(server.folder, "fault.sock")}`, server.address, serial);
  await using client = await connect(proxy.address);
  const read = client.agent.readStdout({ len: 1 });
  read.catch(() => undefined);
  await expect.poll(() => server.seen).toEqual(["ReadStdout"]);
});

test("closes every second connection", async () => {
  await using server = await startScriptedServer(CORRECT);
  const closes = faultOf("connections: only every second one is accepted");
  if (closes === undefined) throw new Error("no such fault");
  await using proxy = await startFaultProxy(`unix://${join(server.folder, "fault.sock")}`, server.address, closes);
  const results = [];
  for (let count = 0; count < 4; count++) {
    await using client = await connect(proxy.address);
    results.push(
      await client.health.check({}).then(
        () => "served",
        () => "closed",
      ),
    );
  }
  expect(results).toEqual(["served", "closed", "served", "closed"]);
});
