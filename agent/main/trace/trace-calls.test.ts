import { expect, test } from "vitest";
import type { Span } from "../../../proto/span.ts";
import { AgentError } from "../../kernel/error.ts";
import { tracedStep } from "../../kernel/wait/traced-step.ts";
import type { Call, Handler, ServiceTable } from "../../service/dispatch.ts";
import { traceCalls } from "./trace-calls.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

const handlers: Readonly<Record<string, Handler>> = {
  async Create(_payload, call) {
    call.container = "c1";
    await tracedStep("first", async () => undefined);
    await tracedStep("second", () => Promise.reject(new AgentError("not-found", "no such thing"))).catch(
      () => undefined,
    );
    return new Uint8Array();
  },
  async Fail() {
    throw new AgentError("unavailable", "not now");
  },
};
const table: ServiceTable = {
  find: (_service, method) => handlers[method] ?? "no-method",
  mayRepeat: () => false,
  mayGoOn: () => false,
  list: () => [],
};

async function spansOf(method: string, traceparent?: string): Promise<Span[]> {
  const spans: Span[] = [];
  const handler = traceCalls(table, (span) => spans.push(span)).find("a.B", method);
  const metadata = new Map(traceparent === undefined ? [] : [["traceparent", traceparent]]);
  const call: Call = { signal: new AbortController().signal, metadata, peer: "unix", onSettled: () => undefined };
  if (typeof handler === "function") await Promise.allSettled([handler(new Uint8Array(), call)]);
  return spans;
}

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString("hex");

test("a call and its steps become spans of the caller's trace", async () => {
  const [first, second, call] = await spansOf("Create", `00-${TRACE}-${CALLER}-01`);
  expect([first, second, call].map((span) => [span?.name, span?.failure])).toEqual([
    ["first", undefined],
    ["second", "no such thing"],
    ["a.B/Create", undefined],
  ]);
  expect([hex(call?.traceId), hex(call?.parentId)]).toEqual([TRACE, CALLER]);
  expect([hex(first?.traceId), hex(first?.parentId)]).toEqual([TRACE, hex(call?.spanId)]);
  expect(call?.attributes).toMatchObject({ "container.id": "c1", "rpc.grpc.status_code": 0 });
});

test("a failed call's span has code and reason, and a trace of its own if the caller sent none", async () => {
  const [span] = await spansOf("Fail", "nonsense");
  expect(span).toMatchObject({ failure: "not now", attributes: { "rpc.grpc.status_code": 14 }, parentId: undefined });
  expect(hex(span?.traceId)).toMatch(/^[0-9a-f]{32}$/);
});

test("a caller that does not sample gets no span, nor does an unknown method", async () => {
  expect(await spansOf("Create", `00-${TRACE}-${CALLER}-00`)).toEqual([]);
  expect(await spansOf("Unknown")).toEqual([]);
});
