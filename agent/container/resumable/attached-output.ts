import type { OutputMode } from "../../kernel/journal/stream-ledger.ts";

/** Bytes of an output that are gone, from the requested offset to `to`. */
export interface OutputGap {
  readonly to: number;
  readonly reason: string;
}

/** One output of a process, which clients and observers read at offsets of their own. */
export interface AttachedOutput {
  readonly mode: OutputMode;
  /** Bytes that its file keeps; 0 if it has none. */
  readonly keepBytes: number;
  /** Offset of the first byte that is kept. */
  readonly base: number;
  /** Offset after the last byte taken from the process. */
  readonly end: number;
  /** Offset of the first byte that the client hasn't acknowledged. */
  readonly acked: number;
  /** Offset after the last byte that the process has printed, as far as the kernel tells. */
  readonly printed: number;
  /** Notes that the client has the bytes before `offset`. Throws if they weren't taken from the process yet. */
  acknowledge(offset: number): void;
  /** Resolves with at least one byte from `offset` on, with the gap there, or with no byte at the end of the output. */
  read(offset: number, signal: AbortSignal): Promise<Buffer | OutputGap>;
  /** Returns the first offset taken at or after a time in ms. */
  since(ms: number): number;
  /** Returns when the byte at `offset` was taken, in ms, and the offset up to which that holds; undefined if unknown. */
  timeAt(offset: number): { readonly ms: number; readonly to: number } | undefined;
  /** Counts a reader for whom acknowledged bytes are kept as long as there is room. Returns the function that ends it. */
  observe(): () => void;
  close(): void;
}

export function isGap(read: Buffer | OutputGap): read is OutputGap {
  return !Buffer.isBuffer(read);
}
