import type { Duplex } from "node:stream";
import type { ServiceTable } from "../service/dispatch.ts";
import { CLOSE_GRACE_MS, type Connection, type ConnectionOptions, type OpenCall } from "./connection.ts";
import { type ConnectionEvent, diagnostics, type RefusedEvent } from "./diagnostics.ts";
import { sniff } from "./sniff.ts";
import { TtrpcConnection } from "./ttrpc-connection.ts";

/** VMADDR_CID_HOST. */
const HOST_CID = 2;

export interface ServerOptions extends ConnectionOptions {
  /** Connections at once; more are refused. */
  readonly maxConnections?: number;
}

const MAX_CONNECTIONS = 8192;

/**
 * Serves accepted connections, ttRPC or gRPC by their first byte. Listening is for others: whoever accepts hands the
 * stream over with `accept`.
 */
export class RpcServer {
  readonly #table: ServiceTable;
  readonly #options: ServerOptions;
  readonly #connections = new Set<ServedConnection>();
  #closing = false;

  constructor(table: ServiceTable, options: ServerOptions = {}) {
    this.#table = table;
    this.#options = options;
  }

  /**
   * Takes over a connection. `peerCid` is the vsock CID of the other side, undefined for other sockets. vsock knows no
   * namespaces, so containers reach the port as well: any peer but the host is refused, as are connections over the
   * bound and those after `close`. Undefined when refused; the socket is destroyed then.
   */
  accept(socket: Duplex, peerCid?: number): Connection | undefined {
    const peer = peerCid === undefined ? "unix" : `vsock:${peerCid}`;
    const reason = this.#reasonToRefuse(peerCid);
    if (reason !== undefined) {
      socket.on("error", () => {});
      socket.destroy();
      diagnostics.refused.publish({ peer, reason } satisfies RefusedEvent);
      return undefined;
    }
    const connection = new ServedConnection(socket, this.#table, peer, this.#options);
    this.#connections.add(connection);
    connection.closed.then(() => this.#connections.delete(connection));
    return connection;
  }

  get connections(): Iterable<Connection> {
    return this.#connections;
  }

  openCalls(): OpenCall[] {
    return Array.from(this.#connections).flatMap((connection) => connection.openCalls());
  }

  /** Lets the open calls end, up to `graceMs`, and refuses all else. Resolves when every connection is closed. */
  async close(graceMs: number = CLOSE_GRACE_MS): Promise<void> {
    this.#closing = true;
    await Promise.all(Array.from(this.#connections, (connection) => connection.close(graceMs)));
  }

  /** Closes every connection now. */
  destroy(): void {
    this.#closing = true;
    for (const connection of this.#connections) connection.destroy();
  }

  #reasonToRefuse(peerCid: number | undefined): string | undefined {
    if (peerCid !== undefined && peerCid !== HOST_CID) return `only the host (CID ${HOST_CID}) may call the agent`;
    if (this.#closing) return "the agent is shutting down";
    const most = this.#options.maxConnections ?? MAX_CONNECTIONS;
    return this.#connections.size >= most ? `${most} connections are open already` : undefined;
  }
}

/** A connection from its first moment: silent at first, then of one protocol. */
class ServedConnection implements Connection {
  readonly peer: string;
  readonly closed: Promise<void>;
  readonly #socket: Duplex;
  #inner: Connection | undefined;

  constructor(socket: Duplex, table: ServiceTable, peer: string, options: ConnectionOptions) {
    this.#socket = socket;
    this.peer = peer;
    socket.on("error", () => socket.destroy());
    this.closed = this.#serve(table, options);
  }

  get protocol(): "ttrpc" | "grpc" | "unknown" {
    return this.#inner?.protocol ?? "unknown";
  }

  openCalls(): OpenCall[] {
    return this.#inner?.openCalls() ?? [];
  }

  async close(graceMs?: number): Promise<void> {
    if (this.#inner === undefined) this.#socket.destroy();
    else await this.#inner.close(graceMs);
    await this.closed;
  }

  destroy(): void {
    if (this.#inner === undefined) this.#socket.destroy();
    else this.#inner.destroy();
  }

  async #serve(table: ServiceTable, options: ConnectionOptions): Promise<void> {
    const protocol = await sniff(this.#socket);
    // grpc-js is loaded by the first connection that needs it: it costs 20 ms and 6 MiB.
    const grpc = protocol === "grpc" ? await import("./grpc-connection.ts") : undefined;
    if (protocol === undefined || this.#socket.destroyed) {
      this.#socket.destroy();
      return;
    }
    this.#inner =
      grpc === undefined
        ? new TtrpcConnection(this.#socket, table, this.peer, options)
        : new grpc.GrpcConnection(this.#socket, table, this.peer, options);
    const event: ConnectionEvent = { peer: this.peer, protocol };
    diagnostics.opened.publish(event);
    await this.#inner.closed;
    diagnostics.closed.publish(event);
  }
}
