/** Attributes of a span: never environment, arguments or payload. */
export type SpanAttributes = Readonly<Record<string, string | number>>;

/** A span that has begun. */
export interface OpenSpan {
  /** Runs work as part of the span: spans and calls to agents that begin in it are the span's children. */
  run<T>(work: () => T): T;
  /** Ends the span, with an error as failed. */
  end(error?: unknown): void;
}

/** Begins spans: OpenTelemetry's own tracer if the program has set one up, otherwise ours. */
export interface Tracer {
  start(name: string, attributes: SpanAttributes): OpenSpan | undefined;
}
