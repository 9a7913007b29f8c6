import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";
import type { Duplex } from "node:stream";
import { ttrpc } from "../../../proto/gen/messages.js";
import { encodeHeader, FrameParser } from "../../../proto/ttrpc-frame.ts";

/** A request whose last byte is missing. */
interface Half {
  /** Sends the last byte. Returns the code of the answer. */
  finish(): Promise<number>;
  destroy(): void;
}

export async function halfTtrpc(socket: Duplex, bytes: number): Promise<Half> {
  const body = ttrpc.Request.encode({ service: "test.Echo", method: "Held", payload: Buffer.alloc(bytes) }).finish();
  socket.on("error", () => {});
  socket.write(encodeHeader(body.length, { streamId: 1, type: 1, flags: 0 }));
  await new Promise((resolve) => socket.write(body.subarray(0, -1), resolve));
  const parser = new FrameParser();
  const answer = new Promise<number>((resolve) =>
    socket.on("data", (chunk: Buffer) => {
      for (const frame of parser.push(chunk)) {
        if (frame.kind === "frame") resolve(ttrpc.Response.decode(frame.body).status?.code ?? -1);
      }
    }),
  );
  return {
    finish: () => {
      socket.write(body.subarray(-1));
      return answer;
    },
    destroy: () => socket.destroy(),
  };
}

/** Opens an HTTP/2 session without flow control on the client's side: it buffers everything that it can't send yet. */
export function openHttp2(stream: Duplex): ClientHttp2Session {
  const client = connect("http://agent", { createConnection: () => stream, maxSessionMemory: 1000 });
  client.on("error", () => {});
  return client;
}

/** Opens a gRPC call. The caller writes its request. */
export function request(
  client: ClientHttp2Session,
  path: string,
  headers: OutgoingHttpHeaders = {},
): { readonly stream: ClientHttp2Stream; readonly code: Promise<number> } {
  const stream = client.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.on("error", () => {});
  const code = new Promise<number>((resolve) => {
    const tell = (answer: Readonly<Record<string, unknown>>) => {
      if (answer["grpc-status"] !== undefined) resolve(Number(answer["grpc-status"]));
    };
    stream.on("response", tell).on("trailers", tell).resume();
  });
  return { stream, code };
}

export async function halfGrpc(client: ClientHttp2Session, bytes: number, path = "/test.Echo/Held"): Promise<Half> {
  const { stream, code } = request(client, path);
  await new Promise((resolve) => stream.write(message(Buffer.alloc(bytes)).subarray(0, -1), resolve));
  return {
    finish: () => {
      stream.end(Buffer.alloc(1));
      return code;
    },
    destroy: () => stream.destroy(),
  };
}

/** Returns a message with gRPC's prefix. */
export function message(bytes: Buffer, compressed = 0): Buffer {
  const prefix = Buffer.alloc(5, compressed);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}
