import type { OpenSpan, SpanAttributes, Tracer } from "./tracer.ts";

/** Where @opentelemetry/api 1.x keeps what a program has registered with it. */
const API = Symbol.for("opentelemetry.js.api.1");

let tracer: Tracer | undefined;
let loading: Promise<void> | undefined;

/**
 * Loads the tracer if the program has registered an OpenTelemetry SDK, or the environment names a collector; otherwise
 * nothing is loaded and spans cost nothing. Never rejects: a wrong variable is a warning.
 */
export function loadTracing(): Promise<void> {
  loading ??= load().catch((error: Error) => process.emitWarning(`guestd: no spans are sent: ${error.message}`));
  return loading;
}

async function load(): Promise<void> {
  const isRegistered = (globalThis as { [API]?: { trace?: unknown } })[API]?.trace !== undefined;
  const [{ otlpEndpoint }, { default: packageJson }] = await Promise.all([
    import("./otlp-endpoint.ts"),
    import("../../package.json", { with: { type: "json" } }),
  ]);
  const { version } = packageJson;
  if (isRegistered) {
    const { apiTracer } = await import("./api-tracer.ts");
    tracer = apiTracer(version);
    return;
  }
  const endpoint = otlpEndpoint();
  if (endpoint === undefined) return;
  const [{ SpanBatches }, { ownTracer }] = await Promise.all([import("./span-batches.ts"), import("./own-tracer.ts")]);
  const service = process.env["OTEL_SERVICE_NAME"] || "guestd-sdk";
  const onFailure = (line: string) => process.emitWarning(`guestd: ${line}`);
  const batches = new SpanBatches({ endpoint, service, version, onFailure });
  tracer = ownTracer((span) => batches.add(span));
}

/** Begins a span; undefined if nothing is traced. */
export function startSpan(name: string, attributes: SpanAttributes): OpenSpan | undefined {
  return tracer?.start(name, attributes);
}

/** Runs work in a span that ends with it. */
export async function traced<T>(name: string, attributes: SpanAttributes, work: () => Promise<T>): Promise<T> {
  const span = startSpan(name, attributes);
  if (span === undefined) return work();
  try {
    const result = await span.run(work);
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}
