import { activity } from "../../kernel/activity.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { Attaching } from "../../service/streams/attach.ts";
import { diagnostics, type RefusedEvent } from "../diagnostics.ts";
import type { WireSys } from "../wire.ts";
import {
  ATTACHMENT_KINDS,
  AttachmentConnection,
  type ConnectionKinds,
  type ConnectionSettings,
} from "./attachment-connection.ts";
import type { FrameCarrier } from "./frame-carrier.ts";
import { FrameSocket } from "./frame-socket.ts";

/** VMADDR_CID_HOST. */
const HOST_CID = 2;
/** Most connections at once. */
const MAX_ATTACHMENTS = 2048;

export interface AttachmentServerOptions extends ConnectionSettings {
  /** Further kinds of connections. */
  readonly kinds?: ConnectionKinds;
  readonly maxConnections?: number;
}

/** Serves guestd.v1.Streams: one connection for each client that is attached to a process. */
export class AttachmentServer {
  readonly #sys: WireSys;
  readonly #attaching: Attaching;
  readonly #options: AttachmentServerOptions;
  readonly #kinds: ConnectionKinds;
  readonly #connections = new Set<AttachmentConnection>();
  readonly #onClosed = (connection: AttachmentConnection) => {
    this.#connections.delete(connection);
    activity.publish({});
  };

  constructor(sys: WireSys, attaching: Attaching, options: AttachmentServerOptions = {}) {
    this.#sys = sys;
    this.#attaching = attaching;
    this.#options = options;
    this.#kinds = { ...ATTACHMENT_KINDS, ...options.kinds };
  }

  /** Takes ownership of a connection. Closes it if its peer isn't the host, or if too many are open. */
  accept(fd: Fd, peerCid?: number): void {
    const reason =
      peerCid !== undefined && peerCid !== HOST_CID
        ? `only the host (CID ${HOST_CID}) may attach`
        : this.#reasonToRefuse();
    if (reason !== undefined) {
      this.#sys.close(fd);
      const peer = peerCid === undefined ? "unix" : `vsock:${peerCid}`;
      diagnostics.refused.publish({ peer, reason } satisfies RefusedEvent);
      return;
    }
    let socket: FrameSocket;
    try {
      socket = new FrameSocket(this.#sys, fd, peerCid === undefined);
    } catch {
      return; // the kernel refuses to watch it
    }
    this.serve(socket);
  }

  /** Serves a connection of the host. Returns a line that says why it doesn't, and leaves the carrier then. */
  serve(carrier: FrameCarrier): string | undefined {
    const reason = this.#reasonToRefuse();
    if (reason !== undefined) return reason;
    this.#connections.add(
      new AttachmentConnection(carrier, this.#attaching, this.#kinds, this.#onClosed, this.#options),
    );
    activity.publish({});
    return undefined;
  }

  #reasonToRefuse(): string | undefined {
    const most = this.#options.maxConnections ?? MAX_ATTACHMENTS;
    return this.#connections.size >= most ? `${most} attachments are already open` : undefined;
  }

  /** Uses of all connections. */
  get uses(): AttachmentConnection["use"][] {
    return Array.from(this.#connections, ({ use }) => use);
  }

  get size(): number {
    return this.#connections.size;
  }
}
