import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Server } from "@grpc/grpc-js";
import { AgentError } from "../kernel/error.ts";

/**
 * Closes a stream on which grpc-js throws. grpc-js answers calls of unknown methods and other content types at once, which
 * throws if the peer has already reset the stream; it does so in an event handler, where the exception would be uncaught.
 * A reset of such a stream is an error that grpc-js doesn't listen for: it is dropped, as "close" follows.
 * `take` returns true for a stream that it serves in place of grpc-js.
 */
export function guardStreams(
  server: Server,
  take: (stream: ServerHttp2Stream, path: unknown) => boolean = () => false,
): void {
  const inside = server as unknown as StreamHandling;
  const handle = inside._streamHandler;
  if (typeof handle !== "function") throw new AgentError("internal", "gRPC: this grpc-js has no _streamHandler");
  inside._streamHandler = (interceptors, stream, headers) => {
    stream.on("error", () => undefined);
    try {
      if (!take(stream, headers[":path"])) handle.call(server, interceptors, stream, headers);
    } catch {
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    }
  };
}

/** The private part of grpc-js that is used. */
interface StreamHandling {
  _streamHandler?: (interceptors: unknown, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;
}
