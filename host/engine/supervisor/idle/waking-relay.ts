import { createServer, type Server, type Socket } from "node:net";
import { answerConnectLine, readConnectLine } from "../../../client/connect-line.ts";
import { dial } from "../../../client/dial.ts";
import { join, listenAt } from "../../../client/streams/local-forward.ts";

/**
 * Listens for a guest's clients as a VMM of hybrid vsock does, and connects each to the guest's present address. Clients wait while
 * the guest is saved.
 */
export class WakingRelay implements Disposable {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #guest = Promise.withResolvers<(port: number) => string>();
  #waiting = 0;
  #onWaiting = Promise.withResolvers<void>();

  /** Listens at the path of a unix socket. */
  static async listen(path: string): Promise<WakingRelay> {
    const server = createServer({ allowHalfOpen: true });
    const relay = new WakingRelay(server);
    await listenAt(server, { path });
    return relay;
  }

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (client) => void this.#connect(client).catch(() => client.destroy()));
  }

  /** Number of clients. */
  get clients(): number {
    return this.#open.size;
  }

  /** Connects clients to a guest from now on, including those that wait. */
  lead(address: (port: number) => string): void {
    this.#guest.resolve(address);
  }

  /** Lets clients wait from now on. */
  hold(): void {
    this.#onWaiting = Promise.withResolvers();
    this.#guest = Promise.withResolvers();
    this.#guest.promise.catch(() => undefined);
  }

  /** Resolves once a client waits. */
  async used(): Promise<void> {
    if (this.#waiting === 0) await this.#onWaiting.promise;
  }

  /** Returns the addresses of the guest's ports; waits, as a use, while the guest is saved. */
  async guest(): Promise<(port: number) => string> {
    this.#waiting++;
    this.#onWaiting.resolve();
    try {
      return await this.#guest.promise;
    } finally {
      this.#waiting--;
    }
  }

  /** Closes the connections of clients that wait. */
  refuse(why: Error): void {
    this.#guest.reject(why);
    this.hold();
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const client of this.#open) client.destroy();
  }

  async #connect(client: Socket): Promise<void> {
    this.#open.add(client);
    client.once("close", () => this.#open.delete(client));
    client.on("error", () => undefined);
    const port = await readConnectLine(client);
    const address = await this.guest();
    const stream = await dial(address(port));
    answerConnectLine(client);
    join(client, stream);
  }
}
