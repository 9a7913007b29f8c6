import type { WebSocket } from "ws";

/** Bytes that wait for the page: beyond the first number nothing more should be sent until the second is reached. */
const FULL_BYTES = 512 * 1024;
const DRAINED_BYTES = 128 * 1024;
/** A page that asks for more and more without reading loses its socket. */
const MAX_BYTES = 32 << 20;

/** Sends to a page, and reports when it reads too slowly. */
export class Outbox {
  readonly #socket: Pick<WebSocket, "send" | "terminate" | "bufferedAmount" | "readyState" | "OPEN">;
  #waiting: (() => void)[] = [];

  constructor(socket: Pick<WebSocket, "send" | "terminate" | "bufferedAmount" | "readyState" | "OPEN">) {
    this.#socket = socket;
  }

  get isFull(): boolean {
    return this.#socket.bufferedAmount > FULL_BYTES;
  }

  send(data: string | Uint8Array): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > MAX_BYTES) {
      this.#socket.terminate();
      return;
    }
    this.#socket.send(data, () => {
      if (this.#socket.bufferedAmount <= DRAINED_BYTES) this.#release();
    });
  }

  /** Resolves once the page has read most of what waits, or is gone. */
  drained(): Promise<void> {
    if (!this.isFull || this.#socket.readyState !== this.#socket.OPEN) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Lets those that wait continue: the page is gone. */
  close(): void {
    this.#release();
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
