import type { CallJournal } from "../kernel/journal/call-journal.ts";
import type { Fd, Init } from "../kernel/kernel.ts";
import type { ServiceTable } from "../service/dispatch.ts";
import { BodyRoom } from "./body-room.ts";
import { CLOSE_GRACE_MS, type Connection, type ConnectionOptions, type OpenCall } from "./connection.ts";
import { diagnostics, type RefusedEvent } from "./diagnostics.ts";
import { KeptConnections } from "./kept-connections.ts";
import { resumeConnections } from "./resume-connections.ts";
import { ServedConnection, type ServerParts } from "./served-connection.ts";
import type { WireSys } from "./wire.ts";

/** VMADDR_CID_HOST. */
const HOST_CID = 2;

/** What a server needs of the machine. */
export interface ServerKernel {
  readonly sys: WireSys;
  readonly init: Pick<Init, "deposit" | "withdraw">;
  readonly journal: CallJournal;
  /** Default: by the first connection that needs it, for grpc-js costs 20 ms and 6 MiB. */
  readonly loadGrpc?: ServerParts["loadGrpc"];
}

export interface ServerOptions extends ConnectionOptions {
  /** Connections at once; more are refused. */
  readonly maxConnections?: number;
  readonly room?: BodyRoom;
}

const MAX_CONNECTIONS = 8192;

/**
 * Serves accepted connections, ttRPC or gRPC by their first byte. Listening is for others: whoever accepts hands the
 * descriptor over with `accept`.
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
      options,
      grpc: new Set(),
      loadGrpc,
    };
    this.#maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  }

  /**
   * Takes over a connection. `peerCid` is the vsock CID of the other side, undefined for other sockets. vsock knows no
   * namespaces, so containers reach the port as well: any peer but the host is refused, as are connections over the
   * bound and those after `close`. Undefined when refused; the descriptor is closed then.
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
   * Goes on with the connections of an agent before, as far as they can: `deposits` are those of init's greeting. Calls
   * that can't be made again are answered, once `undone`, that they were cut off.
   */
  resume(deposits: ReadonlyMap<string, Fd>, undone: Promise<unknown>): void {
    resumeConnections({ ...this.#parts, deposits, undone, serve: (fd, peerCid) => this.#serve(fd, peerCid), nameOf });
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
    return this.#connections.size >= most ? `${most} connections are open already` : undefined;
  }
}

const nameOf = (peerCid: number | undefined): string => (peerCid === undefined ? "unix" : `vsock:${peerCid}`);
