import type { Fd } from "../../kernel/kernel.ts";
import type { Attaching } from "../../service/streams/attach.ts";
import { diagnostics, type RefusedEvent } from "../diagnostics.ts";
import type { WireSys } from "../wire.ts";
import { AttachmentConnection, type ConnectionKinds } from "./attachment-connection.ts";

/** VMADDR_CID_HOST. */
const HOST_CID = 2;
/** Most connections at once. */
const MAX_ATTACHMENTS = 256;

export interface AttachmentServerOptions {
  readonly kinds?: ConnectionKinds;
  readonly maxConnections?: number;
  /** How long a connection may take to send its first frame. */
  readonly firstFrameMs?: number;
}

/** Serves guestd.v1.Streams: one connection for each client that is attached to a process. */
export class AttachmentServer {
  readonly #sys: WireSys;
  readonly #attaching: Attaching;
  readonly #options: AttachmentServerOptions;
  readonly #connections = new Set<AttachmentConnection>();

  constructor(sys: WireSys, attaching: Attaching, options: AttachmentServerOptions = {}) {
    this.#sys = sys;
    this.#attaching = attaching;
    this.#options = options;
  }

  /** Takes ownership of a connection. Closes it if its peer isn't the host, or if too many are open. */
  accept(fd: Fd, peerCid?: number): void {
    const most = this.#options.maxConnections ?? MAX_ATTACHMENTS;
    const reason =
      peerCid !== undefined && peerCid !== HOST_CID
        ? `only the host (CID ${HOST_CID}) may attach`
        : this.#connections.size >= most
          ? `${most} attachments are already open`
          : undefined;
    if (reason !== undefined) {
      this.#sys.close(fd);
      const peer = peerCid === undefined ? "unix" : `vsock:${peerCid}`;
      diagnostics.refused.publish({ peer, reason } satisfies RefusedEvent);
      return;
    }
    const { kinds, firstFrameMs } = this.#options;
    const connection = new AttachmentConnection(this.#sys, fd, this.#attaching, kinds, firstFrameMs);
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
  }

  get size(): number {
    return this.#connections.size;
  }
}
