import { expect, test } from "vitest";
import { connect } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";
import type { Entry } from "../format/conversation.ts";
import { type ScriptedCall, startScriptedServer } from "../testing/scripted-server.ts";
import { type ReplayOptions, replay } from "./replay.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");

interface Step {
  readonly stream: number;
  readonly call?: string;
  readonly is?: object;
  readonly error?: string;
}

/** Writes entries of one connection: requests with `call`, and the responses of their streams. */
function entriesOf(...steps: readonly Step[]): (Entry & { line: number })[] {
  const calls = new Map<number, string>();
  return steps.map(({ stream, call, is, error }, index) => {
    if (call !== undefined) calls.set(stream, call);
    const service = "grpc.AgentService";
    const about = { line: index + 1, ms: index, conn: 1, stream, service, method: calls.get(stream) ?? "" };
    if (call !== undefined) return { ...about, kind: "request", message: { ...is } };
    if (error !== undefined) return { ...about, kind: "error", code: 5, text: error };
    return { ...about, kind: "response", message: { ...is } };
  });
}

/** Replays at a server with these calls. Returns the differences as text, and the methods in the order of their requests. */
async function replayAt(
  calls: Readonly<Record<string, ScriptedCall>>,
  steps: readonly Step[],
  options?: ReplayOptions,
) {
  await using server = await startScriptedServer(calls);
  const { differences } = await replay(entriesOf(...steps), () => connect(server.address), options);
  const texts = differences.map(({ line, field, recorded, actual }) => {
    return `${line} ${field}: ${JSON.stringify(recorded)} ${JSON.stringify(actual)}`;
  });
  return { texts, seen: server.seen };
}

/** Returns a call that sends these pieces, one in each response, and then the end. */
function output(...pieces: readonly string[]): ScriptedCall {
  const left = [...pieces];
  return () => ({ data: base64(left.shift() ?? "") });
}

const read = (stream: number): Step => ({
  stream,
  call: "ReadStdout",
  is: { container_id: "c", exec_id: "x", len: 10 },
});

test("sends a request once the responses before it have arrived, and others beside open calls", async () => {
  const created = Promise.withResolvers<void>();
  const order: string[] = [];
  const steps = [
    { stream: 1, call: "WaitProcess", is: { container_id: "c" } },
    { stream: 3, call: "CreateContainer", is: { container_id: "c" } },
    { stream: 3, is: {} },
    { stream: 5, call: "StartContainer", is: { container_id: "c" } },
    { stream: 5, is: {} },
    { stream: 1, is: { status: 3 } },
  ];
  const started = Promise.withResolvers<void>();
  const { texts, seen } = await replayAt(
    {
      WaitProcess: async () => {
        await started.promise;
        return { status: 3 };
      },
      CreateContainer: async () => {
        setTimeout(created.resolve, 30);
        await created.promise;
        order.push("created");
        return {};
      },
      StartContainer: () => {
        order.push("started");
        started.resolve();
        return {};
      },
    },
    steps,
  );
  expect([texts, seen, order]).toEqual([
    [],
    ["WaitProcess", "CreateContainer", "StartContainer"],
    ["created", "started"],
  ]);
});

test("reports the first field that differs of each call, and a different error", async () => {
  const { texts } = await replayAt(
    {
      WaitProcess: () => ({ status: 0 }),
      ListRoutes: () => ({ Routes: [{ dest: "a" }, { dest: "c", device: "eth1" }] }),
      StartContainer: () => ({}),
      RemoveContainer: () => {
        throw new RpcError("not-found", "another text");
      },
    },
    [
      { stream: 1, call: "WaitProcess" },
      { stream: 1, is: { status: 3 } },
      { stream: 3, call: "ListRoutes" },
      { stream: 3, is: { Routes: [{ dest: "a" }, { dest: "b", device: "eth0" }] } },
      { stream: 5, call: "StartContainer" },
      { stream: 5, error: "no container" },
      { stream: 7, call: "RemoveContainer" },
      { stream: 7, error: "no container\nbacktrace" },
    ],
  );
  expect(texts).toEqual([
    "1 WaitProcess.status: 3 undefined",
    '3 ListRoutes.Routes[1].dest: "b" "c"',
    '5 StartContainer.error: {"code":5,"text":"no container"} undefined',
    '7 RemoveContainer.error.text: "no container" "another text"',
  ]);
});

test("compares neither counters nor ignored fields, but whether a message exists", async () => {
  const cpu = (total: string) => ({ cgroup_stats: { cpu_stats: { cpu_usage: { total_usage: total } } } });
  const steps = [
    { stream: 1, call: "StatsContainer" },
    { stream: 1, is: cpu("5") },
    { stream: 3, call: "ListRoutes" },
    { stream: 3, is: { Routes: [{ dest: "a", source: "1" }] } },
  ];
  const routes = () => ({ Routes: [{ dest: "a", source: "2" }] });
  const ignore = ["ListRoutes.Routes[].sour*"];
  const same = await replayAt({ StatsContainer: () => cpu("7"), ListRoutes: routes }, steps, { ignore });
  expect(same.texts).toEqual([]);
  const other = await replayAt({ StatsContainer: () => ({ cgroup_stats: {} }), ListRoutes: routes }, steps);
  expect(other.texts).toEqual([
    '1 StatsContainer.cgroup_stats.cpu_stats: {"cpu_usage":{"total_usage":"5"}} undefined',
    '3 ListRoutes.Routes[0].source: "1" "2"',
  ]);
});

test.each([
  ["as recorded", ["hello ", "world"]],
  ["in one piece", ["hello world"]],
  ["byte by byte", [..."hello world"]],
])("takes output for the same however it is divided: %s", async (_how, pieces) => {
  const steps = [
    read(1),
    { stream: 1, is: { data: base64("hello ") } },
    read(3),
    { stream: 3, is: { data: base64("world") } },
  ];
  const { texts } = await replayAt({ ReadStdout: output(...pieces) }, [...steps, read(5), { stream: 5, is: {} }]);
  expect(texts).toEqual([]);
});

test.each([
  [["hello", "work"], '1 ReadStdout.data, byte 8: "ld" "k"'],
  [["hello"], '1 ReadStdout.data, byte 5: "world" ""'],
  [["helloworld", "!"], '1 ReadStdout.data, byte 10: "" "!"'],
])("reports the first byte of an output that differs: %j", async (pieces, text) => {
  const steps = [
    read(1),
    { stream: 1, is: { data: base64("hello") } },
    read(3),
    { stream: 3, is: { data: base64("world") } },
  ];
  const { texts } = await replayAt({ ReadStdout: output(...pieces) }, [...steps, read(5), { stream: 5, is: {} }]);
  expect(texts).toEqual([text]);
});

test("takes the end of a terminal for the same, whether by EIO or an empty response", async () => {
  const { texts } = await replayAt({ ReadStdout: output() }, [
    read(1),
    { stream: 1, error: "Input/output error (os error 5)" },
  ]);
  expect(texts).toEqual([]);
  const other = await replayAt({ ReadStdout: output() }, [read(1), { stream: 1, error: "no such process" }]);
  expect(other.texts).toEqual(['1 ReadStdout.error: {"code":5,"text":"no such process"} undefined']);
});

test("reports a response that doesn't come in time", async () => {
  const calls = { WaitProcess: () => new Promise<never>(() => undefined) };
  const { texts } = await replayAt(
    calls,
    [
      { stream: 1, call: "WaitProcess" },
      { stream: 1, is: {} },
    ],
    { timeoutMs: 50 },
  );
  expect(texts).toEqual(['1 WaitProcess.error: undefined {"code":4,"text":"no response within 0.05 s"}']);
});

test("refuses a request with a field that doesn't exist, and names its line", async () => {
  await expect(replayAt({}, [{ stream: 1, call: "WaitProcess", is: { container: "c" } }])).rejects.toThrow(
    "line 1: request of grpc.AgentService/WaitProcess: WaitProcessRequest.container: WaitProcessRequest has no such field",
  );
});
