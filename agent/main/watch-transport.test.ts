import { expect, test } from "vitest";
import { type CallEvent, diagnostics } from "../transport/diagnostics.ts";
import { createLog } from "./log.ts";
import { logTransport, watchCalls } from "./watch-transport.ts";

const lines: Record<string, unknown>[] = [];
logTransport(createLog({ level: "debug", version: "1.0.0", write: (line) => lines.push(JSON.parse(line)) }));
const { durations } = watchCalls();

function publish(event: Partial<CallEvent>): Record<string, unknown> | undefined {
  diagnostics.call.publish({ peer: "unix", service: "grpc.Health", method: "Check", code: 0, ms: 2, ...event });
  return lines.at(-1);
}

const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const span = "00f067aa0ba902b7";

test("a call is logged with the trace that it belongs to", () => {
  const line = publish({ traceparent: `00-${trace}-${span}-01` });
  expect(line).toMatchObject({ level: "DEBG", msg: "call", rpc: "grpc.Health/Check", ms: 2, trace, span });
});

test.each([undefined, "", `00-${trace}-${span}`, `01-${trace}-${span}-01`, `00-${trace.toUpperCase()}-${span}-01`])(
  "an invalid traceparent, %s, is left out",
  (traceparent) => {
    const line = publish({ traceparent });
    expect(line).not.toHaveProperty("trace");
    expect(line).not.toHaveProperty("span");
  },
);

test("a call is logged with its container and exec, if it has them", () => {
  expect(publish({ container: "c1", exec: "x1" })).toMatchObject({ container: "c1", exec: "x1" });
  const line = publish({ container: undefined, exec: "" });
  expect(line).not.toHaveProperty("container");
  expect(line).not.toHaveProperty("exec");
});

test("a failed call is logged with its causes, without stacks", () => {
  const error = new Error("outer", { cause: new Error("inner") });
  expect(publish({ code: 13, error })).toMatchObject({
    level: "INFO",
    msg: "call failed",
    code: 13,
    error: "outer: inner",
  });
});

test("a call that moves stdio is logged at trace level only, unless it fails", () => {
  const before = lines.length;
  for (const method of ["ReadStdout", "ReadStderr", "WriteStdin"]) publish({ method });
  expect(lines).toHaveLength(before);
  expect(publish({ method: "ReadStdout", code: 5 })).toMatchObject({ msg: "call failed", code: 5 });
  const all: unknown[] = [];
  logTransport(createLog({ level: "trace", version: "1.0.0", write: (line) => all.push(JSON.parse(line)) }));
  publish({ method: "ReadStdout" });
  expect(all).toEqual([expect.objectContaining({ level: "TRCE", rpc: "grpc.Health/ReadStdout" })]);
});

test("an error is cut after 4096 characters", () => {
  expect(publish({ code: 13, error: new Error("x".repeat(5000)) })).toMatchObject({ error: "x".repeat(4096) });
});

test("answered calls are measured, lost ones are not", () => {
  publish({ method: "Version", ms: 30 });
  publish({ method: "Version", code: undefined });
  const samples = durations.family().samples.filter(({ labels }) => labels["method"] === "Version");
  expect(samples.find(({ suffix }) => suffix === "_count")?.value).toBe(1);
  expect(samples.find(({ suffix }) => suffix === "_sum")?.value).toBe(0.03);
});
