/** Calls of a guest's agent, as a timeline of spans. */
export interface OpenCalls {
  readonly kind: "calls";
  readonly guest: string;
}

export type CallsMessage =
  | { readonly spans: readonly CallSpan[] }
  /** Spans that were dropped because the page was too slow. */
  | { readonly droppedSpans: number }
  /** One line: how spans arrive, or why none will, with the remedy. Sent first, and when it changes. */
  | { readonly source: string; readonly isReceiving: boolean };

export interface CallSpan {
  /** Hexadecimal. */
  readonly trace: string;
  readonly id: string;
  readonly parent?: string | undefined;
  /** Such as grpc.AgentService/ExecProcess. */
  readonly name: string;
  readonly kind: "server" | "internal" | "client";
  /** Milliseconds since the epoch, with fractions. */
  readonly began: number;
  readonly ended: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  /** One line, if the operation failed. */
  readonly failure?: string;
}
