import type { Duplex } from "node:stream";
import { type DialOptions, dial } from "../dial.ts";

/** Time limit for opening a WebSocket. */
const WEBSOCKET_MS = 10_000;

/**
 * Connects to guestd.v1.Streams: at its own address (see `dial`); over gRPC at the address of the API, written as
 * `grpc+vsock://cid:port`; or through a web server that relays, at `ws://host/path`. The caller owns the stream of frames.
 */
export async function dialStreams(address: string, options: DialOptions = {}): Promise<Duplex> {
  if (/^wss?:/.test(address)) {
    const limit = AbortSignal.timeout(options.timeoutMs ?? WEBSOCKET_MS);
    const { openWebSocketFrames } = await import("./websocket-frames.ts");
    return openWebSocketFrames(
      address,
      options.signal === undefined ? limit : AbortSignal.any([limit, options.signal]),
    );
  }
  const [, api] = /^grpc\+(.+)$/.exec(address) ?? [];
  if (api === undefined) return dial(address, options);
  const { openGrpcFrames } = await import("./grpc-frames-stream.ts");
  // Nothing may come in between: HTTP/2 doesn't notice that a connection has ended before.
  return openGrpcFrames(await dial(api, options));
}
