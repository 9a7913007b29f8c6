/** A timed operation. Times are milliseconds since the epoch, with fractions. */
export interface Span {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly parentId: Uint8Array | undefined;
  readonly kind: "server" | "internal" | "client";
  readonly name: string;
  readonly began: number;
  readonly ended: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  /** One line, if the operation failed. */
  readonly failure?: string | undefined;
}
