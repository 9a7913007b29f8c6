import { otlp } from "./gen/otlp.js";
import type { Span } from "./span.ts";

const MILLION = 1_000_000;

const KINDS = {
  internal: otlp.SpanKind.SPAN_KIND_INTERNAL,
  server: otlp.SpanKind.SPAN_KIND_SERVER,
  client: otlp.SpanKind.SPAN_KIND_CLIENT,
} as const;

/** Encodes an OTLP ExportTraceServiceRequest. `service` names the program, `version` that of guestd. */
export function encodeSpans(spans: readonly Span[], service: string, version: string): Uint8Array {
  const resource = { attributes: attributes({ "service.name": service, "service.version": version }) };
  const scope_spans = [{ scope: { name: "guestd", version }, spans: spans.map(message) }];
  return otlp.ExportTraceServiceRequest.encode({ resource_spans: [{ resource, scope_spans }] }).finish();
}

function message(span: Span) {
  return {
    trace_id: span.traceId,
    span_id: span.spanId,
    parent_span_id: span.parentId,
    name: span.name,
    kind: KINDS[span.kind],
    start_time_unix_nano: Math.round(span.began * MILLION),
    end_time_unix_nano: Math.round(span.ended * MILLION),
    attributes: attributes(span.attributes),
    ...(span.failure === undefined
      ? {}
      : { status: { message: span.failure, code: otlp.StatusCode.STATUS_CODE_ERROR } }),
  };
}

function attributes(values: Span["attributes"]) {
  return Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? { string_value: value } : { int_value: value },
  }));
}
