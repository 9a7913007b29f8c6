import { createServer, type Socket } from "node:net";
import { otlp } from "../../proto/gen/otlp.js";
import { parseAddress } from "../client/address.ts";
import { listenAt } from "../client/streams/local-forward.ts";
import type { OtlpEndpoint } from "./otlp-endpoint.ts";
import { postSpans } from "./post-spans.ts";

/** Port of the host that agents send spans to. */
const SPAN_PORT = 10_240;
const LENGTH_BYTES = 8;
/** An agent's messages have at most 128 spans. */
const MAX_MESSAGE_BYTES = 4 << 20;
const MAX_CONNECTIONS = 8;

export interface ForwardedSpans {
  /** Stops listening and closes the agent's connection. */
  close(): void;
}

/**
 * Receives the spans of the agent at an address (`unix:///path` or `hvsock:///path:port`) and sends them to a collector, with
 * `name` as the attribute `guestd.guest`. Decodes each message, so that a guest sends the collector nothing but spans. Rejects
 * if it can't listen.
 */
export async function forwardSpans(
  address: string,
  name: string,
  endpoint: OtlpEndpoint,
  onFailure: (line: string) => void,
): Promise<ForwardedSpans> {
  const target = parseAddress(address);
  if (target.kind === "vsock" || target.path.startsWith("\0")) {
    throw new Error(`receive spans of ${address}: only agents at paths of unix sockets can send them here`);
  }
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    void relay(socket, name, endpoint, onFailure).finally(() => socket.destroy());
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

/** Sends one message at a time; the agent waits meanwhile, and drops spans if that takes too long. */
async function relay(socket: Socket, name: string, endpoint: OtlpEndpoint, onFailure: (line: string) => void) {
  try {
    for await (const message of messages(socket)) {
      const body = named(message, name);
      await postSpans(endpoint, body).catch((error: Error) => onFailure(error.message));
    }
  } catch (error) {
    if (isCutOff(error)) return;
    onFailure(`spans of ${name}: ${(error as Error).message}; the connection was closed`);
  }
}

/** True for the end of a guest or its agent in the middle of a message. */
function isCutOff(error: unknown): boolean {
  return ["ERR_STREAM_PREMATURE_CLOSE", "ECONNRESET"].includes((error as NodeJS.ErrnoException).code ?? "");
}

/** Yields messages, each after eight bytes of length. Throws if one is too long. */
async function* messages(socket: Socket): AsyncGenerator<Buffer> {
  let bytes = Buffer.alloc(0);
  for await (const data of socket) {
    bytes = Buffer.concat([bytes, data as Buffer]);
    while (bytes.length >= LENGTH_BYTES) {
      const length = bytes.readBigUInt64BE();
      if (length > MAX_MESSAGE_BYTES) throw new Error(`a message of ${length} bytes is over the limit of 4 MiB`);
      const end = LENGTH_BYTES + Number(length);
      if (bytes.length < end) break;
      yield bytes.subarray(LENGTH_BYTES, end);
      bytes = bytes.subarray(end);
    }
  }
}

function named(message: Uint8Array, name: string): Uint8Array {
  const { resource_spans } = otlp.ExportTraceServiceRequest.decode(message);
  const guest = { key: "guestd.guest", value: { string_value: name } };
  const renamed = resource_spans.map(({ resource, scope_spans }) => {
    return { resource: { attributes: [...(resource?.attributes ?? []), guest] }, scope_spans };
  });
  return otlp.ExportTraceServiceRequest.encode({ resource_spans: renamed }).finish();
}
