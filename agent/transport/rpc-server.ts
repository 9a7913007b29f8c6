import type { CallJournal } from "../kernel/journal/call-journal.ts";
import type { Fd, Init } from "../kernel/kernel.ts";
import type { ServiceTable } from "../service/dispatch.ts";
import { BodyRoom } from "./body-room.ts";
import { CLOSE_GRACE_MS, type Connection, type ConnectionOptions, type OpenCall } from "./connection.ts";
import { diagnostics, type RefusedEvent } from "./diagnostics.ts";
import { GrpcStreams } from "./grpc-streams.ts";
import { KeptConnections } from "./kept-connections.ts";
import { resumeConnections } from "./resume-connections.ts";
import { ServedConnection, type ServerParts } from "./served-connection.ts";
import type { WireSys } from "./wire.ts";

/** VMADDR_CID_HOST. */
const HOST_CID = 2;

/** Everything a server needs from the machine. */
export interface ServerKernel {
  readonly sys: WireSys;
  readonly init: Pick<Init, "deposit" | "withdraw">;
  readonly journal: CallJournal;
  /** Loads gRPC for the first connection that needs it: grpc-js costs 20 ms and 6 MiB. */
  readonly loadGrpc?: ServerParts["loadGrpc"];
}

export interface ServerOptions extends ConnectionOptions {
  /** Most connections at once; more are refused. */
  readonly maxConnections?: number;
  readonly room?: BodyRoom;
}

const MAX_CONNECTIONS = 8192;

/**
 * Serves accepted connections, ttRPC or gRPC according to their first byte. Doesn't listen itself: whoever accepts a
 * connection passes its descriptor to `accept`.
 */
export class RpcServer {
  readonly #parts: ServerParts;
  readonly #maxConnections: number;
  readonly #connections = new Set<ServedConnection>();
  #closing = false;

  constructor(kernel: ServerKernel, table: ServiceTable, options: ServerOptions = {}) {
    const { sys, init, journal } = kernel;
    const loadGrpc = kernel.loadGrpc ?? (() => import("./grpc-connection.ts"));
    this.#parts = {
      sys,
      kept: new KeptConnections(journal, init),
      table,
      room: options.room ?? new BodyRoom(),
      options: { grpcStreams: new GrpcStreams(), ...options },
      grpc: new Set(),
      loadGrpc,
    };
    this.#maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  }

  /**
   * Takes ownership of a connection and serves it. `peerCid` is the peer's vsock CID, undefined for other sockets. vsock has no
   * namespaces, so containers can reach the port too: every peer except the host is refused, and so are connections over the
   * limit and after `close`. Returns undefined if refused; the descriptor is then closed.
   */
  accept(fd: Fd, peerCid?: number): Connection | undefined {
    const peer = nameOf(peerCid);
    const reason = this.#reasonToRefuse(peerCid);
    if (reason !== undefined) {
      this.#parts.sys.close(fd);
      diagnostics.refused.publish({ peer, reason } satisfies RefusedEvent);
      return undefined;
    }
    return this.#serve(fd, peerCid);
  }

  /**
   * Resumes the previous agent's connections where possible; `deposits` are those of init's greeting. Calls that can't be
   * repeated are answered as cut off, once `undone` resolves: the previous agent's half-done work is then rolled back.
   */
  resume(deposits: ReadonlyMap<string, Fd>, undone: Promise<unknown>): void {
    resumeConnections({ ...this.#parts, deposits, undone, serve: (fd, peerCid) => this.#serve(fd, peerCid), nameOf });
  }

  get connections(): Iterable<Connection & { readonly isResumed: boolean }> {
    return this.#connections;
  }

  openCalls(): OpenCall[] {
    return Array.from(this.#connections).flatMap((connection) => connection.openCalls());
  }

  /** Waits for open calls for up to `graceMs` and refuses new ones. Resolves once every connection is closed. */
  async close(graceMs: number = CLOSE_GRACE_MS): Promise<void> {
    this.#closing = true;
    await Promise.all(Array.from(this.#connections, (connection) => connection.close(graceMs)));
  }

  /** Closes every connection now. */
  destroy(): void {
    this.#closing = true;
    for (const connection of this.#connections) connection.destroy();
  }

  #serve(fd: Fd, peerCid: number | undefined): ServedConnection {
    const connection = new ServedConnection(this.#parts, fd, nameOf(peerCid), peerCid);
    this.#connections.add(connection);
    connection.closed.then(() => this.#connections.delete(connection));
    return connection;
  }

  #reasonToRefuse(peerCid: number | undefined): string | undefined {
    if (peerCid !== undefined && peerCid !== HOST_CID) return `only the host (CID ${HOST_CID}) may call the agent`;
    if (this.#closing) return "the agent is shutting down";
    const most = this.#maxConnections;
    return this.#connections.size >= most ? `${most} connections are already open` : undefined;
  }
}

const nameOf = (peerCid: number | undefined): string => (peerCid === undefined ? "unix" : `vsock:${peerCid}`);
