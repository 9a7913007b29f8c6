import { otlp } from "../../../proto/gen/otlp.js";
import type { Span } from "./span.ts";

const HEADER_BYTES = 8;
const MILLION = 1_000_000;

/** Encodes one message for the collector: eight bytes of length, big endian, then an ExportTraceServiceRequest. */
export function encodeSpans(spans: readonly Span[], version: string): Buffer {
  const resource = { attributes: attributes({ "service.name": "guestd", "service.version": version }) };
  const scope_spans = [{ scope: { name: "guestd", version }, spans: spans.map(message) }];
  const body = otlp.ExportTraceServiceRequest.encode({ resource_spans: [{ resource, scope_spans }] }).finish();
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  bytes.writeBigUInt64BE(BigInt(body.length));
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

function message(span: Span) {
  return {
    trace_id: span.traceId,
    span_id: span.spanId,
    ...(span.parentId === undefined ? {} : { parent_span_id: span.parentId }),
    name: span.name,
    kind: span.kind === "server" ? otlp.SpanKind.SPAN_KIND_SERVER : otlp.SpanKind.SPAN_KIND_INTERNAL,
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
