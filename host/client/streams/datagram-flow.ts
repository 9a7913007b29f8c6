import type { Duplex } from "node:stream";
import { type ForwardOptions, type ForwardTarget, openFlow } from "./forward.ts";

const PREFIX_BYTES = 2;
const MAX_DATAGRAM = 65_507;
/** Most bytes that wait for the agent; datagrams above it are dropped. */
const MAX_WAITING = 1 << 20;

/** Datagrams to and from one UDP port. Datagrams may be lost, as anywhere; the flow ends with its connection. */
export class DatagramFlow {
  readonly #socket: Duplex;
  #rest = Buffer.alloc(0);

  /** Owns the connection, whose first frame is answered. */
  constructor(socket: Duplex, onDatagram: (datagram: Buffer) => void, onClosed: () => void) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#take(chunk, onDatagram));
    socket.once("close", onClosed);
    socket.once("end", () => socket.destroy());
  }

  /** Drops datagrams that are too long, and those that the agent doesn't take fast enough. */
  send(datagram: Uint8Array): void {
    if (datagram.length > MAX_DATAGRAM || this.#socket.writableLength > MAX_WAITING || this.#socket.destroyed) return;
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt16BE(datagram.length);
    this.#socket.write(Buffer.concat([prefix, datagram]));
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer, onDatagram: (datagram: Buffer) => void): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      if (this.#rest.length < PREFIX_BYTES) return;
      const end = PREFIX_BYTES + this.#rest.readUInt16BE(0);
      if (this.#rest.length < end) return;
      onDatagram(this.#rest.subarray(PREFIX_BYTES, end));
      this.#rest = this.#rest.subarray(end);
    }
  }
}

/** Opens a flow of datagrams to a UDP port. Rejects with RpcError. */
export async function openDatagramFlow(
  address: string,
  target: ForwardTarget,
  handlers: { onDatagram(datagram: Buffer): void; onClosed(): void },
  options: ForwardOptions = {},
): Promise<DatagramFlow> {
  const socket = await openFlow(address, target, options);
  return new DatagramFlow(socket, handlers.onDatagram, handlers.onClosed);
}
