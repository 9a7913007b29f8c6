import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { performServerHandshake } from "node:http2";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { ttrpc } from "../../../proto/gen/messages.js";
import { encodeHeader, FRAME_RESPONSE, type Frame, FrameParser } from "../../../proto/ttrpc-frame.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { callType } from "../format/call-types.ts";
import { decodeJson, encodeJson, type JsonMessage } from "../format/message-json.ts";

/** Size of the compression flag and length before a message of gRPC. */
const PREFIX_BYTES = 5;

/** Serves one call, or throws RpcError. */
export type ScriptedCall = (request: JsonMessage) => JsonMessage | Promise<JsonMessage>;

/** An agent of both protocols in a folder of its own, whose calls are functions of a test. */
export interface ScriptedServer extends AsyncDisposable {
  readonly folder: string;
  readonly address: string;
  /** Methods in the order in which their requests arrived. */
  readonly seen: readonly string[];
  /** Its open connections. */
  readonly sockets: ReadonlySet<Socket>;
}

/** Starts a server. A call that isn't defined is UNIMPLEMENTED. */
export async function startScriptedServer(calls: Readonly<Record<string, ScriptedCall>>): Promise<ScriptedServer> {
  const folder = mkdtempSync(join(tmpdir(), "guestd-conversation-"));
  const path = join(folder, "agent.sock");
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
    socket.on("end", () => socket.end());
    socket.once("data", (first: Buffer) => {
      if (first[0] !== GRPC_FIRST) serveTtrpc(socket, first, calls, seen);
      else {
        socket.pause();
        socket.unshift(first);
        serveGrpc(socket, calls, seen);
      }
    });
  });
  server.listen(path);
  await once(server, "listening");
  return {
    folder,
    address: `unix://${path}`,
    seen,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** First byte of the HTTP/2 preface. */
const GRPC_FIRST = 0x50;

type Calls = Readonly<Record<string, ScriptedCall>>;

function serveTtrpc(socket: Socket, first: Buffer, calls: Calls, seen: string[]): void {
  const parser = new FrameParser();
  const take = (chunk: Buffer) => {
    for (const frame of parser.push(chunk)) {
      if (frame.kind !== "frame") continue;
      void responseTo(frame, calls, seen).then((body) => {
        const header = encodeHeader(body.length, { streamId: frame.streamId, type: FRAME_RESPONSE, flags: 0 });
        socket.write(Buffer.concat([header, body]));
      });
    }
  };
  take(first);
  socket.on("data", take);
}

async function responseTo({ body }: Frame, calls: Calls, seen: string[]): Promise<Uint8Array> {
  try {
    const { service, method, payload } = ttrpc.Request.decode(body);
    const answer = await answerOf(service, method, payload, { calls, seen });
    return ttrpc.Response.encode({ payload: answer }).finish();
  } catch (error) {
    const { code, message } = errorOf(error);
    return ttrpc.Response.encode({ status: { code, message } }).finish();
  }
}

function serveGrpc(socket: Socket, calls: Calls, seen: string[]): void {
  performServerHandshake(socket)
    .on("error", () => undefined)
    .on("stream", async (stream, headers) => {
      stream.on("error", () => undefined);
      const [, service = "", method = ""] = String(headers[":path"]).split("/");
      const request = await buffer(stream);
      const answer = await answerOf(service, method, request.subarray(PREFIX_BYTES), { calls, seen }).catch(errorOf);
      if (stream.closed) return;
      if (answer instanceof RpcError) {
        const status = { "grpc-status": answer.code, "grpc-message": encodeURIComponent(answer.message) };
        stream.respond({ "content-type": "application/grpc", ...status }, { endStream: true });
        return;
      }
      stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": 0 }));
      const prefix = Buffer.alloc(PREFIX_BYTES);
      prefix.writeUInt32BE(answer.length, 1);
      stream.end(Buffer.concat([prefix, answer]));
    });
}

async function answerOf(
  service: string,
  method: string,
  payload: Uint8Array,
  { calls, seen }: { readonly calls: Calls; readonly seen: string[] },
): Promise<Uint8Array> {
  seen.push(method);
  const type = callType(service, method);
  const call = calls[method];
  if (call === undefined) throw new RpcError("unimplemented", `no ${method}`);
  if (type === undefined) return Buffer.from("bytes of an unknown call");
  return encodeJson(type.response, await call(decodeJson(type.request, payload)));
}

function errorOf(error: unknown): RpcError {
  return error instanceof RpcError ? error : new RpcError("internal", String(error));
}
