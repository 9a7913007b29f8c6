import { binaryFrame, type ChannelMessage, type ServerFrame } from "../protocol/socket.ts";
import type { ChannelPort } from "./channel.ts";
import type { Outbox } from "./outbox.ts";

/** Numbers the messages of one channel. After its end, everything is dropped. */
export class PagePort implements ChannelPort {
  readonly #number: number;
  readonly #outbox: Outbox;
  readonly #onEnd: () => void;
  #isEnded = false;

  constructor(number: number, outbox: Outbox, onEnd: () => void) {
    this.#number = number;
    this.#outbox = outbox;
    this.#onEnd = onEnd;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  get isFull(): boolean {
    return this.#outbox.isFull;
  }

  send(message: ChannelMessage): void {
    if (!this.#isEnded) this.#outbox.send(JSON.stringify({ on: this.#number, ...message } satisfies ServerFrame));
  }

  sendBytes(bytes: Uint8Array): void {
    if (!this.#isEnded) this.#outbox.send(binaryFrame(this.#number, bytes));
  }

  drained(): Promise<void> {
    return this.#outbox.drained();
  }

  end(error?: string): void {
    if (this.#isEnded) return;
    const frame: ServerFrame = { end: this.#number, error };
    this.#outbox.send(JSON.stringify(frame));
    this.#isEnded = true;
    this.#onEnd();
  }
}
