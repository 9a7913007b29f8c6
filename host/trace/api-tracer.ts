import { context, isSpanContextValid, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { withTraceparent } from "../client/trace-context.ts";
import { oneLine } from "../operation-error.ts";
import type { Tracer } from "./tracer.ts";

/** Returns the tracer of the program's own OpenTelemetry SDK. */
export function apiTracer(version: string): Tracer {
  const tracer = trace.getTracer("guestd", version);
  return {
    start(name, attributes) {
      const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes: { ...attributes } });
      const { traceId, spanId, traceFlags } = span.spanContext();
      if (!isSpanContextValid(span.spanContext())) return undefined;
      const traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
      return {
        run: (work) => context.with(trace.setSpan(context.active(), span), () => withTraceparent(traceparent, work)),
        end(error) {
          if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: oneLine(error) });
          span.end();
        },
      };
    },
  };
}
