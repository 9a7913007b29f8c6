import type { OtlpEndpoint } from "./otlp-endpoint.ts";

/** Milliseconds; the default of OTEL_EXPORTER_OTLP_TIMEOUT. */
const TIMEOUT_MS = 10_000;

/** Sends an ExportTraceServiceRequest to a collector. Rejects with a one-line Error if it doesn't take it. */
export async function postSpans({ url, headers }: OtlpEndpoint, body: Uint8Array): Promise<void> {
  const type = { "content-type": "application/x-protobuf" };
  const options = { method: "POST", headers: { ...headers, ...type }, body: Buffer.from(body) };
  try {
    const response = await fetch(url, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
  } catch (error) {
    const { message, cause } = error as Error;
    const why = cause instanceof Error ? cause.message : message;
    throw new Error(`send spans to ${url.origin}${url.pathname}: ${why}; check the collector`, { cause: error });
  }
}
