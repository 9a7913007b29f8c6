import { createServer, type Socket } from "node:net";
import { parseAddress } from "../client/address.ts";
import { listenAt } from "../client/streams/local-forward.ts";

/** Port of the host that agents send spans to. */
const SPAN_PORT = 10_240;
const LENGTH_BYTES = 8;
/** An agent's messages have at most 128 spans. */
const MAX_MESSAGE_BYTES = 4 << 20;
const MAX_CONNECTIONS = 8;

export interface ReceivedSpans {
  /** Stops listening and closes the agent's connection. */
  close(): void;
}

/**
 * Receives messages with spans of the agent at an address (`unix:///path` or `hvsock:///path:port`); `name` is for failures.
 * The next one is read once `take` resolves; if it throws, the connection is closed. Rejects if it can't listen.
 */
export async function receiveSpans(
  address: string,
  name: string,
  take: (message: Uint8Array) => void | Promise<void>,
  onFailure: (line: string) => void,
): Promise<ReceivedSpans> {
  const target = parseAddress(address);
  if (target.kind === "vsock" || target.path.startsWith("\0")) {
    throw new Error(`receive spans of ${address}: only agents at paths of unix sockets can send them here`);
  }
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    void relay(socket, name, take, onFailure).finally(() => socket.destroy());
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listenAt(server, { path: `${target.path}_${SPAN_PORT}` });
  return {
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Takes one message at a time; the agent waits meanwhile, and drops spans if that takes too long. */
async function relay(
  socket: Socket,
  name: string,
  take: (message: Uint8Array) => void | Promise<void>,
  onFailure: (line: string) => void,
): Promise<void> {
  try {
    for await (const message of messages(socket)) await take(message);
  } catch (error) {
    if (isCutOff(error)) return;
    onFailure(`spans of ${name}: ${(error as Error).message}; the connection was closed`);
  }
}

/** True for the end of a guest or its agent in the middle of a message. */
function isCutOff(error: unknown): boolean {
  return ["ERR_STREAM_PREMATURE_CLOSE", "ECONNRESET"].includes((error as NodeJS.ErrnoException).code ?? "");
}

/** Yields messages, each after eight bytes of length. Throws if one is too long. Copies each byte once, however small the pieces. */
async function* messages(socket: Socket): AsyncGenerator<Buffer> {
  let [into, filled, isLength] = [Buffer.alloc(LENGTH_BYTES), 0, true];
  for await (const data of socket as AsyncIterable<Buffer>) {
    for (let at = 0; at < data.length; ) {
      const count = data.copy(into, filled, at);
      at += count;
      filled += count;
      if (filled < into.length) break;
      const length = isLength ? Number(into.readBigUInt64BE()) : 0;
      if (length > MAX_MESSAGE_BYTES) throw new Error(`a message of ${length} bytes is over the limit of 4 MiB`);
      if (!isLength || length === 0) yield isLength ? Buffer.alloc(0) : into;
      isLength = length === 0;
      [into, filled] = [Buffer.alloc(isLength ? LENGTH_BYTES : length), 0];
    }
  }
}
