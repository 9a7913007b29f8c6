import type { Socket } from "node:net";
import { Connection, type FrameSink } from "./connection.ts";
import {
  ChannelError,
  type Frame,
  FrameParser,
  type FrameType,
  frameHead,
  MAX_CONNECTIONS,
  numberFrame,
  readHello,
  VERSION,
  welcomeFrame,
} from "./frame.ts";

/** Bytes that may wait for a guest that doesn't read. DATA stops at a fourth of it; other frames are few unless a guest causes them. */
const MAX_UNREAD_BYTES = 1 << 20;

/** A client that has named a port. */
interface Caller {
  readonly client: Socket;
  readonly port: number;
}

/**
 * The host's end of the channel to a guest (docs/channel.md). Clients wait while the guest has no session: before its
 * relay runs, and while it is without the port around a snapshot. The clients of a session end with it.
 */
export class Channel implements FrameSink {
  readonly #connections = new Map<number, Connection>();
  readonly #waiting = new Set<Caller>();
  readonly #onFailure: (error: unknown) => void;
  #port: Socket | undefined;
  #hasSession = false;

  /** `onFailure` is called when the guest breaks the rules; the channel is of no use after that. */
  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  get hasRoom(): boolean {
    return this.#port !== undefined && !this.#port.writableNeedDrain;
  }

  /** Uses QEMU's socket for the guest's port, in place of an earlier one. */
  attach(port: Socket): void {
    this.#detach();
    this.#port = port;
    const parser = new FrameParser();
    port.on("error", () => undefined); // "close" follows
    port.once("close", () => (this.#port === port ? this.#detach() : undefined));
    port.on("drain", () => this.#pump());
    port.on("data", (chunk: Buffer) => {
      if (this.#port !== port) return;
      try {
        for (const frame of parser.push(chunk)) this.#take(frame);
      } catch (error) {
        this.#onFailure(error);
      }
    });
  }

  /** Connects a client to a port of the guest, once there is a session. Owns the client. */
  connect(client: Socket, port: number): void {
    const caller = { client, port };
    if (this.#hasSession) this.#open(caller);
    else {
      this.#waiting.add(caller);
      client.once("close", () => this.#waiting.delete(caller));
    }
  }

  send(type: "end" | "close", connection: number): void {
    this.#write(frameHead(type, connection, 0));
  }

  sendNumber(type: "open" | "credit", connection: number, value: number): void {
    this.#write(numberFrame(type, connection, value));
  }

  sendData(connection: number, payload: Buffer): void {
    this.#write(frameHead("data", connection, payload.length), payload);
  }

  /** Sends the frames of one turn of the event loop together. */
  #write(...parts: readonly Buffer[]): void {
    const port = this.#port;
    if (port === undefined || port.destroyed) return;
    if (port.writableCorked === 0) {
      port.cork();
      process.nextTick(() => port.uncork());
    }
    for (const part of parts) port.write(part);
    if (port.writableLength <= MAX_UNREAD_BYTES) return;
    port.destroy();
    this.#onFailure(new ChannelError(`channel: the guest reads nothing: ${MAX_UNREAD_BYTES} bytes wait for it`));
  }

  #take(frame: Frame): void {
    if (frame.type === "hello") {
      this.#begin(frame);
      return;
    }
    const connection = this.#connections.get(frame.connection);
    if (!this.#hasSession || connection === undefined) throw unknown(frame.type, frame.connection);
    connection.take(frame.type, frame.payload);
  }

  #begin(frame: Frame): void {
    const { version, nonce } = readHello(frame);
    if (version !== VERSION) throw new ChannelError(`channel: the guest's version is ${version}, not ${VERSION}`);
    this.#endSession();
    this.#hasSession = true;
    this.#write(welcomeFrame(nonce));
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const caller of waiting) this.#open(caller);
  }

  #open({ client, port }: Caller): void {
    const id = this.#freeNumber();
    if (client.destroyed) return;
    if (id === undefined) client.destroy();
    else this.#connections.set(id, new Connection(id, client, port, this, () => this.#connections.delete(id)));
  }

  /** Returns the lowest one, as the guest looks at all below the highest. */
  #freeNumber(): number | undefined {
    for (let id = 0; id < MAX_CONNECTIONS; id++) if (!this.#connections.has(id)) return id;
    return undefined;
  }

  /** Lets each connection send in turn: the last one to send is the last one next time. */
  #pump(): void {
    for (const [id, connection] of [...this.#connections]) {
      if (!this.hasRoom) return;
      connection.pump();
      if (this.#connections.delete(id)) this.#connections.set(id, connection);
    }
  }

  #detach(): void {
    const port = this.#port;
    this.#port = undefined;
    port?.destroy();
    this.#endSession();
  }

  #endSession(): void {
    this.#hasSession = false;
    for (const connection of this.#connections.values()) connection.destroy();
    this.#connections.clear();
  }
}

function unknown(type: FrameType, connection: number): ChannelError {
  return new ChannelError(`channel: the guest sent ${type} of connection ${connection}, which doesn't exist`);
}
