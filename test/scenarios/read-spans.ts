import type { Readable } from "node:stream";
import { otlp } from "../../proto/gen/otlp.js";

export interface ReadSpan {
  readonly service: unknown;
  readonly trace: string;
  readonly id: string;
  /** Empty for a root span. */
  readonly parent: string;
  readonly name: string;
  readonly kind: number;
  /** Nanoseconds since the Unix epoch. */
  readonly began: number;
  readonly ended: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: { readonly code: number; readonly message: string } | undefined;
}

/** Reads spans from an agent's connection as a collector does, until one satisfies `isLast`. */
export async function readSpans(stream: Readable, isLast: (span: ReadSpan) => boolean): Promise<ReadSpan[]> {
  let bytes = Buffer.alloc(0);
  const spans: ReadSpan[] = [];
  for await (const data of stream.iterator({ destroyOnReturn: false })) {
    bytes = Buffer.concat([bytes, data as Buffer]);
    while (bytes.length >= 8 && bytes.length >= 8 + Number(bytes.readBigUInt64BE())) {
      const end = 8 + Number(bytes.readBigUInt64BE());
      spans.push(...spansOf(bytes.subarray(8, end)));
      bytes = bytes.subarray(end);
    }
    if (spans.some(isLast)) return spans;
  }
  throw new Error(`the agent hung up after ${spans.map(({ name }) => name).join(", ")}`);
}

/** Decodes an ExportTraceServiceRequest. */
export function spansOf(message: Uint8Array): ReadSpan[] {
  const { resource_spans } = otlp.ExportTraceServiceRequest.decode(message);
  return resource_spans.flatMap(({ resource, scope_spans }) =>
    scope_spans.flatMap(({ spans }) =>
      spans.map((span) => ({
        service: attributesOf(resource?.attributes)["service.name"],
        trace: hex(span.trace_id),
        id: hex(span.span_id),
        parent: hex(span.parent_span_id),
        name: span.name,
        kind: span.kind,
        began: span.start_time_unix_nano,
        ended: span.end_time_unix_nano,
        attributes: attributesOf(span.attributes),
        status: span.status === null ? undefined : { code: span.status.code, message: span.status.message },
      })),
    ),
  );
}

function attributesOf(list: readonly otlp.KeyValue[] = []): Record<string, unknown> {
  return Object.fromEntries(list.map(({ key, value }) => [key, value?.string_value ?? value?.int_value]));
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
