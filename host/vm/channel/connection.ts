import type { Socket } from "node:net";
import { ClientWriter } from "./client-writer.ts";
import { ChannelError, type FrameType, MAX_PAYLOAD_BYTES, WINDOW_BYTES } from "./frame.ts";

/** Bytes for which the guest gets new credit at once. */
const GRANT_BYTES = WINDOW_BYTES / 4;

/** The way to the guest, as a connection uses it. */
export interface FrameSink {
  /** False while the guest's port is full: DATA then waits for `pump`. */
  readonly hasRoom: boolean;
  send(type: "end" | "close", connection: number): void;
  sendNumber(type: "open" | "credit", connection: number, value: number): void;
  sendData(connection: number, payload: Buffer): void;
}

/** A client's socket, joined to a connection of the guest. Both sides send `close` as their last frame. */
export class Connection {
  readonly #id: number;
  readonly #client: Socket;
  readonly #writer: ClientWriter;
  readonly #sink: FrameSink;
  readonly #onFree: () => void;
  /** Bytes that the guest still takes, and that it may still send. */
  #credit = WINDOW_BYTES;
  #allowed = WINDOW_BYTES;
  /** Bytes that the client took since the last credit. */
  #delivered = 0;
  #pending: Buffer = Buffer.alloc(0);
  #isOpen = false;
  #clientEnded = false;
  #sentEnd = false;
  #sentClose = false;
  #guestEnded = false;
  #guestClosed = false;

  /** Opens a connection to a port of the guest. `onFree` is called once its number can be used again. */
  constructor(id: number, client: Socket, port: number, sink: FrameSink, onFree: () => void) {
    this.#id = id;
    this.#client = client;
    this.#writer = new ClientWriter(client, (bytes) => this.#grant(bytes));
    this.#sink = sink;
    this.#onFree = onFree;
    sink.sendNumber("open", id, port);
    client.on("error", () => undefined); // "close" follows
    client.once("close", () => this.#close());
    if (client.destroyed) this.#close();
  }

  /** Takes a frame of the guest. Throws ChannelError if the guest may not send it now. */
  take(type: FrameType, payload: Buffer): void {
    if (this.#guestClosed) throw this.#wrong(type, "after its close");
    if (type === "opened") this.#open();
    else if (type === "data") this.#takeData(payload);
    else if (type === "credit") this.#takeCredit(payload.readUInt32LE(0));
    else if (type === "end") this.#takeEnd();
    else if (type === "close") this.#takeClose();
    else throw this.#wrong(type, "within a session");
  }

  /** Sends what the client has sent, as far as the guest takes it. */
  pump(): void {
    if (!this.#isOpen || this.#sentClose) return;
    while (this.#pending.length > 0 && this.#credit > 0 && this.#sink.hasRoom) {
      const part = this.#pending.subarray(0, Math.min(this.#credit, MAX_PAYLOAD_BYTES));
      this.#credit -= part.length;
      this.#pending = this.#pending.subarray(part.length);
      this.#sink.sendData(this.#id, part);
    }
    if (this.#pending.length > 0) this.#client.pause();
    else if (!this.#clientEnded) this.#client.resume();
    else if (!this.#sentEnd) {
      this.#sentEnd = true;
      this.#sink.send("end", this.#id);
    }
  }

  /** Drops the client: the session has ended. */
  destroy(): void {
    this.#sentClose = true;
    this.#client.destroy();
  }

  #open(): void {
    if (this.#isOpen) throw this.#wrong("opened", "twice");
    this.#isOpen = true;
    if (this.#client.destroyed) return;
    this.#client.on("data", (chunk: Buffer) => {
      this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
      this.pump();
    });
    this.#client.once("end", () => {
      this.#clientEnded = true;
      this.pump();
    });
    this.#client.write(`OK ${this.#id}\n`);
    this.pump();
  }

  #takeData(payload: Buffer): void {
    if (!this.#isOpen || this.#guestEnded) throw this.#wrong("data", this.#isOpen ? "after its end" : "before opened");
    if (payload.length > this.#allowed) throw this.#wrong("data", "beyond its credit");
    this.#allowed -= payload.length;
    this.#writer.write(payload);
  }

  #grant(bytes: number): void {
    this.#delivered += bytes;
    if (this.#delivered < GRANT_BYTES || this.#sentClose || this.#guestEnded) return;
    this.#sink.sendNumber("credit", this.#id, this.#delivered);
    this.#allowed += this.#delivered;
    this.#delivered = 0;
  }

  #takeCredit(bytes: number): void {
    if (bytes > WINDOW_BYTES - this.#credit) throw this.#wrong("credit", `of ${bytes} bytes, which were not sent`);
    this.#credit += bytes;
    this.pump();
  }

  #takeEnd(): void {
    if (!this.#isOpen || this.#guestEnded) throw this.#wrong("end", this.#isOpen ? "twice" : "before opened");
    this.#guestEnded = true;
    this.#writer.finish("end");
  }

  #takeClose(): void {
    this.#guestEnded = true;
    this.#guestClosed = true;
    this.#pending = Buffer.alloc(0);
    if (this.#sentClose) this.#onFree();
    else if (this.#isOpen) this.#writer.finish("close");
    else this.#client.destroy();
  }

  #close(): void {
    if (this.#sentClose) return;
    this.#sentClose = true;
    this.#pending = Buffer.alloc(0);
    this.#sink.send("close", this.#id);
    if (this.#guestClosed) this.#onFree();
  }

  #wrong(type: FrameType, when: string): ChannelError {
    return new ChannelError(`channel: the guest sent ${type} of connection ${this.#id} ${when}`);
  }
}
