import type { WebSocket } from "ws";
import type { LogsCommand } from "../protocol/logs.ts";
import {
  binaryFrame,
  type ChannelMessage,
  type OpenChannel,
  parseBinaryFrame,
  type ServerFrame,
} from "../protocol/socket.ts";
import { INPUT_FRAME, type TerminalCommand } from "../protocol/terminal.ts";

/** A page's socket. */
export class PageSocket implements Disposable {
  readonly socket: WebSocket;
  readonly #channels = new Map<number, PageChannel>();
  #next = 1;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer, isBinary) => {
      if (!isBinary) return this.#take(JSON.parse(data.toString()) as ServerFrame);
      const frame = parseBinaryFrame(data);
      if (frame !== undefined) this.#channels.get(frame.channel)?.takeBytes(frame.bytes);
    });
    socket.on("close", () => {
      for (const channel of this.#channels.values()) channel.takeEnd("the socket was closed");
    });
  }

  open(channel: OpenChannel): PageChannel {
    const number = this.#next++;
    const opened = new PageChannel(this.socket, number);
    this.#channels.set(number, opened);
    this.socket.send(JSON.stringify({ open: number, ...channel }));
    return opened;
  }

  #take(frame: ServerFrame): void {
    if ("end" in frame) this.#channels.get(frame.end)?.takeEnd(frame.error);
    else this.#channels.get(frame.on)?.take(frame);
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}

/** A channel of a page. It reports at once that it has shown what arrives, unless it was told to be slow. */
export class PageChannel {
  readonly number: number;
  readonly messages: ChannelMessage[] = [];
  /** Bytes of a terminal so far. */
  bytes = Buffer.alloc(0);
  /** Set once the channel has ended. */
  end: { readonly error: string | undefined } | undefined;
  isSlow = false;
  /** Takes messages instead of `messages`. */
  onMessage: ((message: ChannelMessage) => void) | undefined;
  readonly #socket: WebSocket;
  #shown = 0;
  #typed = 0;
  #wake = Promise.withResolvers<void>();

  constructor(socket: WebSocket, number: number) {
    this.#socket = socket;
    this.number = number;
  }

  take(message: ChannelMessage): void {
    if (this.onMessage === undefined) this.messages.push(message);
    else this.onMessage(message);
    if ("log" in message) {
      this.#shown += message.log.reduce((sum, part) => sum + ("lines" in part ? part.lines.length : 0), 0);
      if (!this.isSlow) this.send({ shown: this.#shown });
    }
    this.#woken();
  }

  takeBytes(bytes: Uint8Array): void {
    this.bytes = Buffer.concat([this.bytes, bytes]);
    this.#shown += bytes.length;
    if (!this.isSlow) this.send({ shown: this.#shown });
    this.#woken();
  }

  takeEnd(error: string | undefined): void {
    this.end ??= { error };
    this.#woken();
  }

  send(message: TerminalCommand | LogsCommand): void {
    this.#socket.send(JSON.stringify({ to: this.number, ...message }));
  }

  /** Sends input to a terminal. */
  type(text: string | Uint8Array): void {
    this.#typed += Buffer.from(text).length;
    this.#socket.send(binaryFrame(this.number, Buffer.from(text)));
  }

  /** Sends input no faster than the process takes it. */
  async paste(bytes: Buffer): Promise<void> {
    const before = this.#typed;
    for (let at = 0; at < bytes.length; at += INPUT_FRAME) {
      await this.until(
        (message) => ("taken" in message && at + before - message.taken <= INPUT_FRAME) || at === 0 || undefined,
      );
      this.type(bytes.subarray(at, at + INPUT_FRAME));
    }
  }

  close(): void {
    this.#socket.send(JSON.stringify({ close: this.number }));
  }

  /** Resolves with the first message, also an earlier one, for which `find` returns something. Rejects if the channel ends before. */
  async until<T>(find: (message: ChannelMessage) => T | undefined): Promise<T> {
    for (;;) {
      for (const message of this.messages) {
        const found = find(message);
        if (found !== undefined) return found;
      }
      if (this.end !== undefined) throw new Error(`the channel ended: ${this.end.error ?? "as it should"}`);
      await this.#wake.promise;
    }
  }

  /** Resolves once the terminal's output matches. Rejects if the channel ends before. */
  async prints(wanted: RegExp): Promise<void> {
    while (!wanted.test(this.bytes.toString("latin1"))) {
      if (this.end !== undefined) throw new Error(`ended (${this.end.error}) before ${wanted}: ${this.bytes}`);
      await this.#wake.promise;
    }
  }

  /** Resolves with the channel's error, undefined if it ended as it should. */
  async ended(): Promise<string | undefined> {
    while (this.end === undefined) await this.#wake.promise;
    return this.end.error;
  }

  #woken(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}
