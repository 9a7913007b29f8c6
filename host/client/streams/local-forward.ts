import { unlinkSync } from "node:fs";
import { connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ForwardOptions, type ForwardTarget, openForward } from "./forward.ts";

/** A place on the host: an address and port, or the path of a unix socket. */
export interface LocalPlace {
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** 0 is any port. */
  readonly port?: number;
  readonly path?: string;
}

export interface LocalForwardOptions extends ForwardOptions {
  /** Called when a connection was refused or lost, which ends that connection alone. */
  onError?(error: Error): void;
}

/** A listener on the host. `close` ends it; connections that are open continue. */
export interface LocalForward {
  /** 0 for a unix socket. */
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Listens on the host, and forwards each connection at the address of guestd.v1.Streams (see `dial`). Rejects if the place is
 * taken; a unix socket that no process listens on is replaced.
 */
export function forwardFrom(
  address: string,
  local: LocalPlace,
  target: ForwardTarget,
  options: LocalForwardOptions = {},
): Promise<LocalForward> {
  return relayFrom(local, () => openForward(address, target, options), options.onError);
}

/** Listens on the host, and joins each connection to a new one of `open`. Rejects like `forwardFrom`. */
export async function relayFrom(
  local: LocalPlace,
  open: () => Promise<Duplex>,
  onError?: (error: Error) => void,
): Promise<LocalForward> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    open().then(
      (stream) => join(socket, stream, onError),
      (error: Error) => {
        reset(socket);
        onError?.(error);
      },
    );
  });
  await listenAt(server, local);
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : 0,
    close: async () => void server.close(),
  };
}

/** Connects on the host. */
export function connectLocal({ host = "127.0.0.1", port = 0, path }: LocalPlace): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const place = path === undefined ? { host, port } : { path };
    const socket = connectSocket({ ...place, allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => resolve(socket.off("error", reject)));
  });
}

/** Joins a socket of the host to a forwarded connection. The end of each direction is passed on; so is a reset. */
export function join(socket: Socket, stream: Duplex, onError: (error: Error) => void = () => undefined): void {
  stream.on("error", (error: Error) => {
    reset(socket);
    onError(error);
  });
  socket.on("error", () => stream.destroy());
  socket.once("close", () => stream.destroy());
  if (socket.destroyed) stream.destroy();
  socket.pipe(stream);
  stream.pipe(socket);
}

/** Returns what a reverse forward does with its connections: joins each to a new one of the host. */
export function joinLocal(place: LocalPlace, onError: (error: Error) => void = () => undefined) {
  return (stream: Duplex): void => {
    stream.on("error", () => undefined);
    connectLocal(place).then(
      (socket) => join(socket, stream, onError),
      (error: Error) => {
        stream.destroy();
        onError(error);
      },
    );
  };
}

/** Ends a connection so that its peer can't take the end for the end of the data. */
function reset(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

/** Listens on the host; a unix socket that no process listens on is replaced. */
export async function listenAt(server: Server, { host = "127.0.0.1", port = 0, path }: LocalPlace): Promise<void> {
  if (path === undefined) return listenOnce(server, { host, port });
  try {
    await listenOnce(server, { path });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || !(await isStale(path))) throw error;
    unlinkSync(path);
    await listenOnce(server, { path });
  }
}

function listenOnce(server: Server, place: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(place, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function isStale(path: string): Promise<boolean> {
  try {
    (await connectLocal({ path })).destroy();
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ECONNREFUSED";
  }
}
