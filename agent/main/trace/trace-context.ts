/** W3C trace context, version 0. */
export interface TraceContext {
  /** 16 bytes. */
  readonly traceId: Uint8Array;
  /** The caller's span, 8 bytes. */
  readonly spanId: Uint8Array;
  readonly sampled: boolean;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Returns undefined for an invalid header: a caller's mistake loses its trace and nothing else. */
export function readTraceparent(text: string | undefined): TraceContext | undefined {
  const [, trace = "", span = "", flags = ""] = TRACEPARENT.exec(text ?? "") ?? [];
  if (/^0*$/.test(trace) || /^0*$/.test(span)) return undefined;
  return {
    traceId: Buffer.from(trace, "hex"),
    spanId: Buffer.from(span, "hex"),
    sampled: (Number.parseInt(flags, 16) & 1) === 1,
  };
}
