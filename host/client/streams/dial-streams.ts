import type { Duplex } from "node:stream";
import { type DialOptions, dial } from "../dial.ts";

/**
 * Connects to guestd.v1.Streams: at its own address (see `dial`), or over gRPC at the address of the API, written as
 * `grpc+vsock://cid:port`. The caller owns the stream of frames.
 */
export async function dialStreams(address: string, options: DialOptions = {}): Promise<Duplex> {
  const [, api] = /^grpc\+(.+)$/.exec(address) ?? [];
  if (api === undefined) return dial(address, options);
  const connection = await dial(api, options);
  const { openGrpcFrames } = await import("./grpc-frames-stream.ts");
  return openGrpcFrames(connection);
}
