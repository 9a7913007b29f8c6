import { receivedSpans } from "../../client/edge/spans.ts";
import { SPAN_KINDS, STATUS_CODES } from "../../client/edge/values.ts";
import type { CallSpan } from "../protocol/calls.ts";

const MILLION = 1_000_000;
const MAX_TEXT = 256;
const MAX_ATTRIBUTES = 16;

/** Returns the spans of a message that an agent sent, with bounded texts. Throws if it isn't one. */
export function callSpans(message: Uint8Array): CallSpan[] {
  const { resource_spans } = receivedSpans.decode(message);
  const spans = resource_spans.flatMap(({ scope_spans }) => scope_spans.flatMap((scope) => scope.spans));
  return spans.map((span) => ({
    trace: hex(span.trace_id),
    id: hex(span.span_id),
    ...(span.parent_span_id.length === 0 ? {} : { parent: hex(span.parent_span_id) }),
    name: span.name.slice(0, MAX_TEXT),
    kind: kindOf(span.kind),
    began: Number(span.start_time_unix_nano) / MILLION,
    ended: Number(span.end_time_unix_nano) / MILLION,
    attributes: Object.fromEntries(
      span.attributes.slice(0, MAX_ATTRIBUTES).map(({ key, value }) => {
        const { string_value, int_value } = value ?? {};
        return [key.slice(0, MAX_TEXT), (string_value ?? int_value?.toString() ?? "").slice(0, MAX_TEXT)];
      }),
    ),
    ...(span.status?.code === STATUS_CODES.STATUS_CODE_ERROR
      ? { failure: span.status.message.slice(0, MAX_TEXT) }
      : {}),
  }));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function kindOf(kind: number): CallSpan["kind"] {
  if (kind === SPAN_KINDS.SPAN_KIND_SERVER) return "server";
  return kind === SPAN_KINDS.SPAN_KIND_CLIENT ? "client" : "internal";
}
