import { expect, test } from "vitest";
import { listenersUntilEnd } from "../../lib/testing/listeners-until-end.ts";
import { otlp } from "../../proto/gen/otlp.js";
import { currentTraceparent } from "../client/trace-context.ts";
import { ownTracer } from "./own-tracer.ts";
import { SpanBatches } from "./span-batches.ts";
import { type PostedSpans, startCollector } from "./testing/collector.ts";

function batchesTo(collector: PostedSpans, failures: string[] = []): SpanBatches {
  listenersUntilEnd("beforeExit");
  const endpoint = { url: new URL(`${collector.url}/v1/traces`), headers: {} };
  return new SpanBatches({ endpoint, service: "mine", version: "1", onFailure: (line) => void failures.push(line) });
}

const spansOf = ({ posts }: PostedSpans) =>
  posts.flatMap(
    ({ body }) => otlp.ExportTraceServiceRequest.decode(body).resource_spans[0]?.scope_spans[0]?.spans ?? [],
  );

test("spans go together, and a span that begins in another is its child", async () => {
  await using collector = await startCollector();
  const batches = batchesTo(collector);
  const tracer = ownTracer((span) => batches.add(span));
  const outer = tracer.start("outer", { "container.id": "web" });
  outer?.run(() => {
    const inner = tracer.start("inner", {});
    inner?.run(() => expect(currentTraceparent()).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/));
    inner?.end(new Error("broken\nstack"));
  });
  outer?.end();
  await batches.flush();
  expect(collector.posts).toHaveLength(1);
  const [inner, parent] = spansOf(collector);
  expect([inner?.name, parent?.name]).toEqual(["inner", "outer"]);
  expect(inner).toMatchObject({ trace_id: parent?.trace_id, parent_span_id: parent?.span_id });
  expect(inner?.status).toMatchObject({ code: 2, message: "broken" });
  expect(parent?.parent_span_id).toHaveLength(0);
});

test("a collector that fails is reported once until it takes spans again, and its spans are dropped", async () => {
  await using collector = await startCollector();
  const failures: string[] = [];
  const batches = batchesTo(collector, failures);
  const tracer = ownTracer((span) => batches.add(span));
  for (const status of [500, 500, 200, 500]) {
    collector.status = status;
    tracer.start(`at ${status}`, {})?.end();
    await batches.flush();
  }
  const line = `send spans to ${collector.url}/v1/traces: HTTP status 500; check the collector`;
  expect(failures).toEqual([line, line]);
});

test("more spans than the queue holds are dropped", async () => {
  await using collector = await startCollector();
  const batches = batchesTo(collector);
  const tracer = ownTracer((span) => batches.add(span));
  for (let at = 0; at < 3000; at++) tracer.start("many", {})?.end();
  await batches.flush();
  expect(spansOf(collector)).toHaveLength(2048);
});
