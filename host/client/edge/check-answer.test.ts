import { readdirSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { codec, type Init } from "../../../proto/codec.ts";
import { type grpc, guestd, grpc as messages } from "../../../proto/gen/messages.js";
import { otlp } from "../../../proto/gen/otlp.js";
import { agentService, guest } from "../../../proto/gen/services.js";
import { decodeResponse } from "./answer.ts";
import { failureIn } from "./failure.ts";
import { FIELD_RULES, type Rule } from "./field-rules.ts";
import { receivedSpans, sentSpans } from "./spans.ts";
import { answers, watchUpdates } from "./stream-messages.ts";

const decoded = (update: Init<guestd.v1.WatchUpdate>) => answers.watch.decode(watchUpdates.encode(update));

test("passes what an agent of ours sends", () => {
  const update = {
    micros: 5,
    containers: [{ id: "web-1.x_y", usage: { memory: 2 ** 40 } }],
    removed_processes: [1, 2],
  };
  expect(decoded(update)).toMatchObject(update);
});

describe("refuses", () => {
  test.each<[string, Init<guestd.v1.WatchUpdate>, string]>([
    [
      "a long container id",
      { containers: [{ id: "a".repeat(257) }] },
      "containers.0.id: 257 characters are over the limit of 256",
    ],
    [
      "a long id",
      {
        processes: [
          { id: 1, exec_id: "a".repeat(256) },
          { id: 2, exec_id: "a".repeat(257) },
        ],
      },
      "processes.1.exec_id: 257 characters are over the limit of 256",
    ],
    [
      "a name that controls a terminal",
      { containers: [{ id: "ok" }, { id: "\u001b[2Jx" }] },
      "containers.1.id: \\u001b[2Jx has control characters",
    ],
    [
      "a name of several lines",
      { processes: [{ id: 1, exec_id: "a\nb" }] },
      "processes.0.exec_id: a\\u000ab has control characters",
    ],
    [
      "a list without end",
      { removed_processes: Array(8193).fill(1) },
      "removed_processes: 8193 items are over the limit of 8192",
    ],
    ["a number that isn't exact", { processes: [{ id: 2 ** 60 }] }, "processes.0.id: 1152921504606847000 is no count"],
  ])("%s", (_, update, why) => {
    const line = `the agent's guestd.v1.WatchUpdate.${why}`;
    expect(() => decoded(update)).toThrow(expect.objectContaining({ kind: "internal", message: line }));
  });

  test("a moment that no Date has", () => {
    const [event, time] = [codec("guestd.v1.Event", guestd.v1.Event), codec("guestd.v1.Time", guestd.v1.Time)];
    expect(answers.time.decode(time.encode({ ms: 8.64e15 }))).toEqual({ ms: 8.64e15 });
    expect(() => answers.time.decode(time.encode({ ms: 8.64e15 + 1 }))).toThrow("8640000000000001 ms is no date");
    expect(() => answers.event.decode(event.encode({ ms: 8.64e15 + 1 }))).toThrow("8640000000000001 ms is no date");
  });

  test("a long name", () => {
    const ports = codec("guestd.v1.ListeningPorts", guestd.v1.ListeningPorts);
    const long = ports.encode({ ports: [{ address: "a".repeat(1025) }] });
    expect(() => decodeResponse(guest.ListPorts, long)).toThrow(
      "ports.0.address: 1025 characters are over the limit of 1024",
    );
  });

  test("long identities", () => {
    const ready = codec("guestd.v1.CopyReady", guestd.v1.CopyReady).encode({ name: Buffer.alloc(1025, "a") });
    const line = "the agent's guestd.v1.CopyReady.name: 1025 bytes are over the limit of 1024";
    expect(() => answers.copyReady.decode(ready)).toThrow(line);
  });

  test("long texts", () => {
    const gap = codec("guestd.v1.Gap", guestd.v1.Gap).encode({ reason: "a".repeat(65_537) });
    expect(() => answers.gap.decode(gap)).toThrow("Gap.reason: 65537 characters are over the limit of 65536");
  });

  test("texts that are long once they are visible", () => {
    const gap = codec("guestd.v1.Gap", guestd.v1.Gap).encode({ reason: "\u0001".repeat(20_000) });
    expect(() => answers.gap.decode(gap)).toThrow("Gap.reason: 120000 characters are over the limit of 65536");
  });

  test("bytes that are no message", () => {
    expect(() => answers.hello.decode(Buffer.alloc(9, 0xff))).toThrow(/^decode guestd.v1.Hello of 9 bytes: /);
  });
});

test("makes what controls a terminal visible in texts", () => {
  const failure = codec("guestd.v1.Failure", guestd.v1.Failure);
  const hostile = failure.encode({ kind: "\u202e", message: "\u001b[2Jgone\n\t" });
  expect(() => failureIn(hostile)).toThrow("Failure.kind: \\u202e has control characters");
  expect(failureIn(failure.encode({ kind: "weird", message: "\u001b[2Jgone\n\t" }))).toMatchObject({
    kind: "unknown",
    message: "\\u001b[2Jgone\\u000a\\u0009",
  });
});

test("checks the responses of calls, whose counters may mean that there is no limit", () => {
  const { StatsContainer, ReadStdout } = agentService;
  const stats = (name: string): Init<grpc.StatsContainerResponse> => ({
    cgroup_stats: { memory_stats: { usage: { limit: 2 ** 64 } }, hugetlb_stats: { [name]: { usage: 1 } } },
  });
  const answer = (name: string) =>
    decodeResponse(StatsContainer, messages.StatsContainerResponse.encode(stats(name)).finish());
  expect(answer("2MB")).toMatchObject({ cgroup_stats: { memory_stats: { usage: { limit: 2 ** 64 } } } });
  expect(() => answer("\u009b2J")).toThrow(
    /^\/grpc.AgentService\/StatsContainer: the agent's .* has control characters$/,
  );
  const data = Buffer.alloc(1 << 20, 27);
  expect(decodeResponse(ReadStdout, messages.ReadStreamResponse.encode({ data }).finish())).toEqual({ data });
});

test("checks spans", () => {
  const span = { name: "\u001b]0;x\u0007", trace_id: Buffer.alloc(16, 1) };
  const message = sentSpans.encode({ resource_spans: [{ scope_spans: [{ spans: [span] }] }] });
  const { resource_spans } = receivedSpans.decode(message);
  expect(resource_spans[0]?.scope_spans[0]?.spans[0]?.name).toBe("\\u001b]0;x\\u0007");
  const long = { name: "a".repeat(65_537) };
  expect(() =>
    receivedSpans.decode(
      otlp.ExportTraceServiceRequest.encode({ resource_spans: [{ scope_spans: [{ spans: [long] }] }] }).finish(),
    ),
  ).toThrow("over the limit");
});

test("every rule is for a field that exists", () => {
  const folder = join(import.meta.dirname, "../../../proto");
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => join(folder, target);
  const files = readdirSync(folder).filter((file) => file.endsWith(".proto"));
  for (const file of files) root.loadSync(file, { keepCase: true });
  root.resolveAll();
  const check = (type: protobuf.Type, rule: Rule) => {
    for (const [name, inner] of typeof rule === "string" ? [] : Object.entries(rule)) {
      const field = type.fields[name];
      expect(field, `${type.fullName}.${name}`).toBeDefined();
      if (typeof inner === "object") check(field?.resolvedType as protobuf.Type, inner);
    }
  };
  for (const [name, rule] of Object.entries(FIELD_RULES)) check(root.lookupType(name), rule);
});
