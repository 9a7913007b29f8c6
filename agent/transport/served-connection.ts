import type { FoundConnection } from "../kernel/journal/found-calls.ts";
import type { Fd } from "../kernel/kernel.ts";
import type { ServiceTable } from "../service/dispatch.ts";
import type { BodyRoom } from "./body-room.ts";
import type { Connection, ConnectionOptions, OpenCall } from "./connection.ts";
import { type ConnectionEvent, diagnostics, type RefusedEvent } from "./diagnostics.ts";
import type { KeptConnections } from "./kept-connections.ts";
import { TtrpcConnection } from "./ttrpc-connection.ts";
import { Wire, type WireSys } from "./wire.ts";
import { type WireStream, wireStreamClass } from "./wire-stream.ts";

/** 'P' of "PRI * HTTP/2.0". As the first byte of ttRPC it would announce a body of over 1 GiB. */
const HTTP2_FIRST_BYTE = 0x50;

/** Most gRPC connections at once. Each costs some 20 KiB of V8's heap, a ttRPC connection 2 KiB. */
const MAX_GRPC = 512;

/** Parts shared by all connections. */
export interface ServerParts {
  readonly sys: WireSys;
  readonly kept: KeptConnections;
  readonly table: ServiceTable;
  readonly room: BodyRoom;
  readonly options: ConnectionOptions;
  /** The connections that speak gRPC. */
  readonly grpc: Set<Connection>;
  loadGrpc(): Promise<Pick<typeof import("./grpc-connection.ts"), "GrpcConnection">>;
}

/** An accepted connection, whose first byte decides the protocol. */
export class ServedConnection implements Connection {
  readonly peer: string;
  readonly closed: Promise<void>;
  /** The previous agent had served it. */
  isResumed = false;
  readonly #parts: ServerParts;
  readonly #wire: Wire;
  readonly #cid: number | undefined;
  readonly #end: () => void;
  #inner: Connection | undefined;
  /** Stream of a gRPC connection; used here until grpc-js is loaded. */
  #stream: WireStream | undefined;

  constructor(parts: ServerParts, fd: Fd, peer: string, peerCid: number | undefined) {
    this.#parts = parts;
    this.peer = peer;
    this.#cid = peerCid;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#end = resolve;
    const silent = { onBytes: (bytes: Buffer) => this.#begin(bytes), onClosed: resolve };
    this.#wire = new Wire(parts.sys, parts.kept.journal, fd, silent);
  }

  /**
   * Resumes a connection of the previous agent; `serve` answers or repeats its calls. Returns false if it is already closed
   * because this agent can't read it.
   */
  resume({ index, begun }: FoundConnection, serve: (connection: TtrpcConnection) => void): boolean {
    if (this.#wire.closed) return false;
    this.isResumed = true;
    this.#wire.keep(index, begun);
    serve(this.#ttrpc());
    return true;
  }

  get protocol(): "ttrpc" | "grpc" | "unknown" {
    return this.#inner?.protocol ?? "unknown";
  }

  openCalls(): OpenCall[] {
    return this.#inner?.openCalls() ?? [];
  }

  async close(graceMs?: number): Promise<void> {
    if (this.#inner === undefined) this.destroy();
    else await this.#inner.close(graceMs);
    await this.closed;
  }

  destroy(): void {
    if (this.#inner !== undefined) this.#inner.destroy();
    else if (this.#stream !== undefined) this.#stream.destroy();
    else this.#wire.destroy();
  }

  #begin(bytes: Buffer): void {
    if (bytes[0] !== HTTP2_FIRST_BYTE) this.#ttrpc().onBytes(bytes);
    else if (this.#parts.grpc.size < MAX_GRPC) void this.#grpc(Buffer.from(bytes));
    else {
      this.#reportRefused(`${MAX_GRPC} gRPC connections are already open`);
      this.#wire.destroy();
    }
  }

  #reportRefused(reason: string): void {
    diagnostics.refused.publish({ peer: this.peer, reason } satisfies RefusedEvent);
  }

  #ttrpc(): TtrpcConnection {
    const { kept, table, room, options } = this.#parts;
    const inner = new TtrpcConnection(this.#wire, kept, table, { name: this.peer, cid: this.#cid }, room, options);
    void this.#watch(inner);
    return inner;
  }

  /** Serves gRPC; closes a connection that can't be served. */
  async #grpc(first: Buffer): Promise<void> {
    this.#parts.grpc.add(this);
    void this.closed.then(() => this.#parts.grpc.delete(this));
    try {
      await this.#serveGrpc(first);
    } catch (error) {
      this.#reportRefused(`gRPC can't be served: ${(error as Error).message}`);
      if (this.#stream === undefined) this.#end();
      else this.#stream.destroy();
    }
  }

  async #serveGrpc(first: Buffer): Promise<void> {
    const { sys, options } = this.#parts;
    const Stream = wireStreamClass();
    const stream = new Stream(sys, this.#wire.release(), options.quietMs);
    this.#stream = stream;
    stream.on("error", () => stream.destroy());
    stream.once("close", () => this.#end());
    stream.receive(first);
    const { GrpcConnection } = await this.#parts.loadGrpc();
    if (stream.destroyed) return;
    await this.#watch(new GrpcConnection(stream, this.#parts.table, this.peer, this.#parts.room, options));
  }

  async #watch(inner: Connection): Promise<void> {
    this.#inner = inner;
    const event: ConnectionEvent = { peer: this.peer, protocol: inner.protocol };
    diagnostics.opened.publish(event);
    await inner.closed;
    diagnostics.closed.publish(event);
    this.#end();
  }
}
