import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

let currentTraceparent: typeof import("../client/trace-context.ts").currentTraceparent;
let traced: typeof import("./tracing.ts").traced;
const exporter = new InMemorySpanExporter();

beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  vi.resetModules(); // tracing is loaded once in each process
  ({ currentTraceparent } = await import("../client/trace-context.ts"));
  const tracing = await import("./tracing.ts");
  ({ traced } = tracing);
  await tracing.loadTracing();
});
afterAll(() => {
  trace.disable();
  context.disable();
});

test("in a program with OpenTelemetry's SDK, spans are those of its tracer, below its own", async () => {
  const own = trace.getTracer("program").startSpan("handle request");
  const failing = context.with(trace.setSpan(context.active(), own), () =>
    traced("Sandbox.stats", { "container.id": "web" }, async () => {
      const { traceId } = own.spanContext();
      expect(currentTraceparent()).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
      trace.getTracer("program").startSpan("inside").end();
      throw new Error("no agent");
    }),
  );
  await expect(failing).rejects.toThrow("no agent");
  own.end();
  const [inside, stats] = exporter.getFinishedSpans();
  expect(stats).toMatchObject({
    ...{ name: "Sandbox.stats", kind: 2, attributes: { "container.id": "web" } },
    ...{ status: { code: 2, message: "no agent" }, parentSpanContext: { spanId: own.spanContext().spanId } },
  });
  expect(inside?.parentSpanContext?.spanId).toBe(stats?.spanContext().spanId);
  expect(currentTraceparent()).toBeUndefined();
});
