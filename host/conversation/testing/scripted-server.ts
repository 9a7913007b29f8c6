import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ttrpc } from "../../../proto/gen/messages.js";
import { encodeHeader, FRAME_RESPONSE, type Frame, FrameParser } from "../../../proto/ttrpc-frame.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { callType } from "../format/call-types.ts";
import { decodeJson, encodeJson, type JsonMessage } from "../format/message-json.ts";

/** Serves one call, or throws RpcError. */
export type ScriptedCall = (request: JsonMessage) => JsonMessage | Promise<JsonMessage>;

/** A ttRPC agent in a folder of its own, whose calls are functions of a test. */
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
    const parser = new FrameParser();
    socket.on("data", (chunk: Buffer) => {
      for (const frame of parser.push(chunk)) {
        if (frame.kind === "frame")
          void serve(frame, calls, seen).then((body) => respond(socket, frame.streamId, body));
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

async function serve(
  { body }: Frame,
  calls: Readonly<Record<string, ScriptedCall>>,
  seen: string[],
): Promise<Uint8Array> {
  try {
    const { service, method, payload } = ttrpc.Request.decode(body);
    seen.push(method);
    const type = callType(service, method);
    const call = calls[method];
    if (call === undefined) throw new RpcError("unimplemented", `no ${method}`);
    if (type === undefined) return ttrpc.Response.encode({ payload: Buffer.from("bytes of an unknown call") }).finish();
    return ttrpc.Response.encode({
      payload: encodeJson(type.response, await call(decodeJson(type.request, payload))),
    }).finish();
  } catch (error) {
    const { code, message } = error instanceof RpcError ? error : new RpcError("internal", String(error));
    return ttrpc.Response.encode({ status: { code, message } }).finish();
  }
}

function respond(socket: Socket, streamId: number, body: Uint8Array): void {
  socket.write(Buffer.concat([encodeHeader(body.length, { streamId, type: FRAME_RESPONSE, flags: 0 }), body]));
}
