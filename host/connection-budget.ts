import type { Server } from "node:http";
import type { Socket } from "node:net";

export interface ConnectionLimits {
  /** Most connections that have not proved anything: one more drops the oldest. */
  readonly strangers: number;
  /** Most connections of known clients, which strangers can't take. */
  readonly known: number;
}

/** Bounds the connections of an HTTP server, so that clients who send half a request keep no others out. */
export class ConnectionBudget {
  readonly #limits: ConnectionLimits;
  /** In the order in which they came. */
  readonly #strangers = new Set<Socket>();
  readonly #known = new Set<Socket>();

  constructor(server: Server, limits: ConnectionLimits) {
    this.#limits = limits;
    server.on("connection", (socket: Socket) => this.#add(socket));
  }

  /** Counts a connection as a known client's from now on; false if there are too many. Idempotent. */
  admit(socket: Socket): boolean {
    if (this.#known.has(socket)) return true;
    if (this.#known.size >= this.#limits.known) return false;
    if (this.#strangers.delete(socket)) this.#known.add(socket);
    return true;
  }

  #add(socket: Socket): void {
    this.#strangers.add(socket);
    socket.once("close", () => {
      this.#strangers.delete(socket);
      this.#known.delete(socket);
    });
    const [oldest] = this.#strangers;
    if (this.#strangers.size > this.#limits.strangers) oldest?.destroy();
  }
}
