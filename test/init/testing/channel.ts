import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { Console } from "../../../host/vm/console.ts";
import { makeWorkDirectory, WORK } from "../../clean-up/work-directory.ts";
import { compileC, SANITIZED } from "../../testing/compile-c.ts";

const init = join(import.meta.dirname, "../../../agent/native/init");
const SOURCES = ["channel/frame.c", "channel/connection.c", "channel/session.c", "channel/relay.c", "util.c"];
const PROGRAM = join(WORK, "channel-relay");

/** Builds the relay of the guest's side, with ASan and UBSan. */
export function buildRelay(): void {
  const sources = SOURCES.map((name) => join(init, name));
  compileC([join(import.meta.dirname, "channel-relay.c"), ...sources], PROGRAM, SANITIZED);
}

/** A folder for a channel's sockets, with the relay of the guest's side and listeners of the agent's. */
export class ChannelParts implements AsyncDisposable {
  readonly directory = makeWorkDirectory("channel");
  /** Where clients connect, where QEMU would, and where the agent's listeners are. */
  readonly path = join(this.directory, "vm.vsock");
  readonly socket = join(this.directory, "port.sock");
  readonly listeners = join(this.directory, "listeners");
  /** Reasons why the relay's sessions have ended. */
  readonly ends = new Console({ lines: 50 });
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #relay: ChildProcess | undefined;

  constructor() {
    mkdirSync(this.listeners);
  }

  /** Starts the relay, also after `killRelay`. */
  startRelay(): void {
    const relay = spawn(PROGRAM, [this.socket, this.listeners], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [relay.stdout, relay.stderr]) stream.on("data", (bytes) => this.ends.take(bytes));
    this.#relay = relay;
  }

  async killRelay(): Promise<void> {
    const relay = this.#relay;
    if (relay === undefined || relay.exitCode !== null || relay.signalCode !== null) return;
    relay.kill("SIGKILL");
    await once(relay, "exit");
  }

  /** Listens as the agent does on a port. */
  async listen(port: number, serve: (socket: Socket) => void): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      serve(socket);
    });
    this.#servers.push(server);
    server.listen({ path: join(this.listeners, `${port}`) });
    await once(server, "listening");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killRelay();
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
