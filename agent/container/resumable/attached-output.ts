import type { OutputMode } from "../../kernel/journal/stream-ledger.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { Framing } from "./byte-mover.ts";

/** A reader of an output that waits for more. */
export interface OutputWatcher {
  /** There may be more output, or its end. */
  pump(): void;
  /** The kernel refuses to report more. */
  onLost(error: unknown): void;
}

/** One output of a process, which clients and observers read at offsets of their own. */
export interface AttachedOutput {
  readonly mode: OutputMode;
  /** Bytes that its file keeps; 0 if it has none. */
  readonly keepBytes: number;
  /** Offset of the first byte that is kept. */
  readonly base: number;
  /** Why the bytes before `base` are gone. */
  readonly gapReason: string;
  /** Offset after the last byte known of. */
  readonly end: number;
  /** Offset of the first byte that the client hasn't acknowledged. */
  readonly acked: number;
  /** Offset after the last byte that the process has printed, as far as the kernel tells. */
  readonly printed: number;
  /** Notes that the client has the bytes before `offset`. Throws if there aren't so many yet. */
  acknowledge(offset: number): void;
  /**
   * Returns how many bytes there are from `offset`, not before `base`, as far as they may be sent before the client
   * acknowledges earlier ones.
   */
  available(offset: number): number;
  /** True if the output ends at `offset`, where nothing is available. */
  isOver(offset: number): boolean;
  /** Copies up to `most` available bytes, after `room` bytes for the caller. The result is valid until the next call. */
  copy(offset: number, most: number, room?: number): Buffer;
  /** Sends up to `most` available bytes to a socket, within the kernel: see ByteMover.send. Undefined if it can't. */
  send?(offset: number, most: number, to: Fd, framing?: Framing): [number, number];
  /** Reports changes to the watcher from now on, until `unwatch`. */
  watch(watcher: OutputWatcher): void;
  /** Idempotent. */
  unwatch(watcher: OutputWatcher): void;
  /** Returns the first offset taken at or after a time in ms. */
  since(ms: number): number;
  /** Returns when the byte at `offset` was taken, in ms, and the offset up to which that holds; undefined if unknown. */
  timeAt(offset: number): { readonly ms: number; readonly to: number } | undefined;
  /** Counts a reader for whom acknowledged bytes are kept as long as there is room. Returns the function that ends it. */
  observe(): () => void;
  /** Ends the output of a process whose client has all of it. */
  finish(): void;
  close(): void;
}
