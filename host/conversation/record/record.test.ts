import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { connect } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { parseConversation } from "../format/read-conversation.ts";
import { type ScriptedServer, startScriptedServer } from "../testing/scripted-server.ts";
import { type RecordOptions, startRecording } from "./record.ts";

async function startRecorder(server: ScriptedServer, options: Partial<RecordOptions> = {}) {
  const file = join(server.folder, "conversation.jsonl");
  const listen = `unix://${server.folder}/recorded.sock`;
  const errors: string[] = [];
  const recording = await startRecording({
    listen,
    to: server.address,
    file,
    onError: (error) => errors.push(error.message),
    ...options,
  });
  /** Ends the recording once these connections are closed on both sides. */
  const finish = async (connections: number) => {
    await expect.poll(() => readFileSync(file, "utf8").split('"kind":"closed"').length - 1).toBe(connections);
    await recording[Symbol.asyncDispose]();
  };
  return { recording, finish, file, listen, errors, read: () => parseConversation(readFileSync(file, "utf8"), file) };
}

const withoutTimes = (entries: readonly object[]) =>
  entries.map((entry) =>
    Object.fromEntries(Object.entries(entry).filter(([name]) => name !== "ms" && name !== "line")),
  );

test("writes a header, and each call with its messages, errors, limits and metadata", async () => {
  await using server = await startScriptedServer({
    Check: () => ({ status: "SERVING" }),
    StatsContainer: () => ({ cgroup_stats: { cpu_stats: { cpu_usage: { total_usage: "18446744073709551615" } } } }),
    ReadStdout: () => ({ data: Buffer.from("hi\n").toString("base64") }),
    WaitProcess: () => {
      throw new RpcError("not-found", "no such process");
    },
  });
  const { finish, listen, read, file, errors } = await startRecorder(server);
  const client = await connect(listen);
  await client.health.check({}, { timeoutMs: 50_000, metadata: { traceparent: "00-1" } });
  await client.agent.statsContainer({ container_id: "c" });
  await client.agent.readStdout({ container_id: "c", exec_id: "x", len: 10 });
  await expect(client.agent.waitProcess({ container_id: "c" })).rejects.toThrow("no such process");
  await client.close();
  await finish(1);

  const [header = ""] = readFileSync(file, "utf8").split("\n");
  expect(JSON.parse(header)).toEqual({
    format: "guestd-conversation",
    version: 1,
    protocol: "ttrpc",
    started: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
  });
  const agent = { conn: 1, service: "grpc.AgentService" };
  const health = { conn: 1, stream: 1, service: "grpc.Health", method: "Check" };
  const wait = { ...agent, stream: 7, method: "WaitProcess" };
  expect(withoutTimes(read())).toEqual([
    { conn: 1, kind: "opened", protocol: "ttrpc" },
    { ...health, kind: "request", timeout_ms: 50_000, metadata: { traceparent: "00-1" }, message: {} },
    { ...health, kind: "response", message: { status: "SERVING" } },
    { ...agent, kind: "request", stream: 3, method: "StatsContainer", message: { container_id: "c" } },
    {
      ...agent,
      kind: "response",
      stream: 3,
      method: "StatsContainer",
      message: { cgroup_stats: { cpu_stats: { cpu_usage: { total_usage: "18446744073709551615" } } } },
    },
    {
      ...agent,
      kind: "request",
      stream: 5,
      method: "ReadStdout",
      message: { container_id: "c", exec_id: "x", len: 10 },
    },
    { ...agent, kind: "response", stream: 5, method: "ReadStdout", message: { data: "aGkK" } },
    { ...wait, kind: "request", message: { container_id: "c" } },
    { ...wait, kind: "error", code: 5, text: "no such process" },
    { conn: 1, kind: "ended", by: "host" },
    { conn: 1, kind: "ended", by: "agent" },
    { conn: 1, kind: "closed" },
  ]);
  expect([errors, statSync(file).mode & 0o777]).toEqual([[], 0o600]);
});

test("keeps bytes of unknown calls, and frames that it can't decode", async () => {
  await using server = await startScriptedServer({ Strange: () => ({}) });
  const { finish, listen, read } = await startRecorder(server);
  const client = await connect(listen);
  await client.channel.call("some.Service", "Strange", Buffer.from("request"));
  await client.close();
  const socket = connectSocket(listen.slice("unix://".length));
  // A request whose body isn't one, a frame of stream data, and half a frame.
  socket.write(Buffer.from("00000002000000010100ffff" + "00000001000000030300aa" + "000000050000000501", "hex"));
  socket.end();
  await once(socket.resume(), "close");
  await finish(2);

  const strange = { conn: 1, stream: 1, service: "some.Service", method: "Strange" };
  const entries = withoutTimes(read());
  expect(entries.slice(1, 3)).toEqual([
    { ...strange, kind: "request", payload: Buffer.from("request").toString("base64") },
    { ...strange, kind: "response", payload: Buffer.from("bytes of an unknown call").toString("base64") },
  ]);
  const raw = { kind: "raw", conn: 2, direction: "request" };
  expect(entries.filter(({ kind, direction }) => kind === "raw" && direction === "request")).toEqual([
    { ...raw, stream: 1, type: 1, flags: 0, length: 2, bytes: "//8=", reason: expect.any(String) },
    { ...raw, stream: 3, type: 3, flags: 0, length: 1, bytes: "qg==", reason: "a frame of type 3" },
    { ...raw, length: 9, reason: "the direction ended within a frame" },
  ]);
});

test("passes 8 MiB both ways unchanged, and the end of each direction by itself", async () => {
  await using server = await startScriptedServer({});
  const { recording, listen } = await startRecorder(server);
  const sent = Buffer.alloc(8 << 20, "some bytes that are no frames ");
  const accepted = expect.poll(() => server.sockets.size).toBe(1);
  const socket = connectSocket({ path: listen.slice("unix://".length), allowHalfOpen: true });
  await accepted;
  const [agent] = server.sockets;
  agent?.removeAllListeners("data").removeAllListeners("end");
  const sums = Promise.all([buffer(agent as never), buffer(socket)]);
  socket.end(sent);
  agent?.end(sent);
  const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
  expect((await sums).map(sha256)).toEqual([sha256(sent), sha256(sent)]);
  await recording[Symbol.asyncDispose]();
});

test("closes the host's connection when the agent's is lost, and records the reason", async () => {
  await using server = await startScriptedServer({ GetOOMEvent: () => new Promise(() => undefined) });
  const { finish, listen, read } = await startRecorder(server);
  const client = await connect(listen);
  const call = client.agent.getOOMEvent({});
  await expect.poll(() => server.seen).toEqual(["GetOOMEvent"]);
  for (const socket of server.sockets) socket.destroy();
  await expect(call).rejects.toThrow("closed by the agent");
  await client.closed;
  await finish(1);
  expect(withoutTimes(read()).slice(2)).toEqual([
    { conn: 1, kind: "ended", by: "agent" },
    { conn: 1, kind: "ended", by: "host" },
    { conn: 1, kind: "closed" },
  ]);
});

test("redacts environment values, bytes, policies and metadata, and keeps their lengths", async () => {
  await using server = await startScriptedServer({
    CreateContainer: () => ({}),
    WriteStdin: () => ({ len: 6 }),
    CopyFile: () => ({}),
    SetPolicy: () => ({}),
    ReadStdout: () => ({ data: Buffer.from("secret").toString("base64") }),
  });
  const { finish, listen, read, file } = await startRecorder(server, { redacted: true });
  const client = await connect(listen);
  const data = Buffer.from("secret");
  const Annotations = { "io.katacontainers.config.agent.policy": "secret", name: "web" };
  const OCI = { Process: { Env: ["PATH=/bin", "PASSWORD=secret", "EMPTY="] }, Annotations };
  await client.agent.createContainer({ container_id: "c", OCI });
  await client.agent.writeStdin({ container_id: "c", data }, { metadata: { token: "secret" } });
  await client.agent.copyFile({ path: "/x", data });
  await client.agent.setPolicy({ policy: "a = secret" });
  await client.agent.readStdout({ container_id: "c", len: 10 });
  await client.channel.call("some.Service", "Strange", data).catch(() => undefined);
  await client.close();
  await finish(1);

  const text = readFileSync(file, "utf8");
  for (const secret of ["secret", data.toString("base64")]) expect(text).not.toContain(secret);
  expect(JSON.parse(text.split("\n", 1)[0] ?? "")).toMatchObject({ redacted: true });
  const requests = withoutTimes(read()).filter(({ kind }) => kind === "request");
  const hidden = Buffer.from("xxxxxx").toString("base64");
  expect(requests.map(({ message, metadata, length }) => message ?? [metadata, length])).toEqual([
    {
      container_id: "c",
      OCI: {
        Process: { Env: ["PATH=/bin", "PASSWORD=xxxxxx", "EMPTY="] },
        Annotations: { "io.katacontainers.config.agent.policy": "xxxxxx", name: "web" },
      },
    },
    { container_id: "c", data: hidden },
    { path: "/x", data: hidden },
    { policy: "xxxxxxxxxx" },
    { container_id: "c", len: 10 },
    [undefined, 6],
  ]);
});

test("refuses a file that exists, and an address that it can't listen at, without leaving a file", async () => {
  await using server = await startScriptedServer({});
  const existing = join(server.folder, "existing");
  writeFileSync(existing, "text");
  await expect(startRecorder(server, { file: existing })).rejects.toThrow(
    `create ${existing}: it exists; choose another name`,
  );
  expect(readFileSync(existing, "utf8")).toBe("text");
  const file = join(server.folder, "new");
  await expect(startRecorder(server, { file, listen: "vsock://3:1024" })).rejects.toThrow(
    "listen at vsock://3:1024: not an address on this machine; use unix:// or hvsock://",
  );
  await expect(startRecorder(server, { file, listen: server.address })).rejects.toThrow("EADDRINUSE");
  expect(existsSync(file)).toBe(false);
});

test("listens as a VMM of hybrid vsock does, for its port only", async () => {
  await using server = await startScriptedServer({ Check: () => ({ status: "SERVING" }) });
  const path = `hvsock://${server.folder}/vm.sock`;
  const { finish, read, errors } = await startRecorder(server, { listen: `${path}:1024` });
  await expect(connect(`${path}:1025`)).rejects.toThrow("the VMM closed the connection");
  expect(errors).toEqual(['relay: the host sent "CONNECT 1025"; only CONNECT 1024 is relayed']);
  const client = await connect(`${path}:1024`);
  expect((await client.health.check({})).status).toBe(1);
  await client.close();
  await finish(1);
  expect(read().map(({ kind }) => kind)).toEqual(["opened", "request", "response", "ended", "ended", "closed"]);
});

test("reports an agent that doesn't answer, and goes on for the next connection", async () => {
  await using server = await startScriptedServer({ Check: () => ({}) });
  const { recording, listen, errors } = await startRecorder(server, { to: `unix://${server.folder}/none.sock` });
  const socket = connectSocket(listen.slice("unix://".length));
  await once(socket.resume(), "close");
  await expect.poll(() => errors).toEqual([expect.stringMatching(/^dial unix:\/\/.*none.sock: connect ENOENT/)]);
  await recording[Symbol.asyncDispose]();
});
