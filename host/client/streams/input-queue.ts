import { RpcError } from "../rpc-error.ts";

/** Most bytes that are sent and not acknowledged: the agent refuses more. */
const WINDOW_BYTES = 65_536;
/** Most bytes of one piece. */
const PIECE_BYTES = 32_768 - 16;

interface Waiting {
  /** Offset after its last byte. */
  readonly end: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Input that the agent has not acknowledged, with its offsets: sent again over each new connection. */
export class InputQueue {
  /** Offset of the first byte kept; undefined until the agent has said where input continues. */
  #base: number | undefined;
  #bytes = Buffer.alloc(0);
  /** Bytes of the queue that were sent over this connection. */
  #sent = 0;
  #waiting: Waiting[] = [];
  #refusal: (() => RpcError) | undefined;

  /** Queues bytes; resolves once they are written to the process. */
  add(bytes: Uint8Array): Promise<void> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    this.#waiting.push({ end: this.end, resolve, reject });
    this.#settle();
    return promise;
  }

  /** Offset after the last byte. */
  get end(): number {
    return (this.#base ?? 0) + this.#bytes.length;
  }

  /** True once every byte was sent over this connection. */
  get isSent(): boolean {
    return this.#sent === this.#bytes.length;
  }

  /** Begins a connection: bytes before `written` are written. Throws if they can't be. */
  begin(written: number): void {
    if (this.#base === undefined) {
      this.#base = written;
      this.#waiting = this.#waiting.map((it) => ({ ...it, end: it.end + written }));
    }
    this.#sent = 0;
    this.acknowledge(written);
  }

  acknowledge(offset: number): void {
    const base = this.#base ?? 0;
    if (offset < base || offset > this.end) {
      throw new RpcError("internal", `input: byte ${offset} is acknowledged, not one from ${base} to ${this.end}`);
    }
    this.#bytes = this.#bytes.subarray(offset - base);
    this.#sent = Math.max(this.#sent - (offset - base), 0);
    this.#base = offset;
    this.#settle();
  }

  /** Returns the next piece to send and its offset; undefined if none may be sent now. */
  next(): { readonly offset: number; readonly bytes: Uint8Array } | undefined {
    const room = Math.min(WINDOW_BYTES - this.#sent, PIECE_BYTES);
    if (room <= 0 || this.isSent || this.#base === undefined) return undefined;
    const offset = this.#base + this.#sent;
    const bytes = this.#bytes.subarray(this.#sent, this.#sent + room);
    this.#sent += bytes.length;
    return { offset, bytes };
  }

  /** Rejects all input that isn't written, now and later, with what `error` returns: errors are slow to create. */
  refuse(error: () => RpcError): void {
    this.#refusal ??= error;
    this.#bytes = Buffer.alloc(0);
    this.#sent = 0;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#refusal());
  }

  get isRefused(): boolean {
    return this.#refusal !== undefined;
  }

  #settle(): void {
    if (this.#base === undefined) return;
    while (this.#waiting[0] !== undefined && this.#waiting[0].end <= this.#base) this.#waiting.shift()?.resolve();
  }
}
