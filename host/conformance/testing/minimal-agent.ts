import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CODES, type CodeName } from "../../../proto/codes.ts";
import { ttrpc } from "../../../proto/gen/messages.js";
import { services } from "../../../proto/gen/services.js";
import type { AnyMethod } from "../../../proto/method.ts";
import { encodeHeader, FRAME_RESPONSE, FrameParser } from "../../../proto/ttrpc-frame.ts";

/** An answer that is an error. */
export class Answer extends Error {
  readonly kind: CodeName;

  constructor(kind: CodeName, text: string) {
    super(text);
    this.kind = kind;
  }
}

/** Answers by call, such as "Check". A call without one is UNIMPLEMENTED. */
export type Handlers = Readonly<Record<string, (request: unknown, end: () => void) => unknown>>;

/** The calls that an agent needs to be found at all. */
export const MINIMAL: Handlers = {
  Check: () => ({ status: 1 }),
  Version: () => ({ agent_version: "0.0.1", grpc_version: "0.0.1" }),
  CreateSandbox: () => ({}),
  GetGuestDetails: () => ({
    agent_details: { version: "0.0.1", storage_handlers: ["ephemeral", "local", "virtio-fs"] },
  }),
  ListRoutes: () => ({}),
};

export interface MinimalAgent extends AsyncDisposable {
  readonly address: string;
  /** Closes all connections and listens no more. */
  end(): void;
}

/** Starts an agent of a few calls in this process, over ttRPC. */
export async function startMinimalAgent(handlers: Handlers = MINIMAL): Promise<MinimalAgent> {
  const folder = mkdtempSync(join(tmpdir(), "minimal-agent-"));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
    serve(socket, handlers, end);
  });
  const end = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  await new Promise<void>((resolve) => server.listen(join(folder, "agent.sock"), resolve));
  return {
    address: `unix://${folder}/agent.sock`,
    end,
    async [Symbol.asyncDispose]() {
      end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function serve(socket: Socket, handlers: Handlers, end: () => void): void {
  const parser = new FrameParser();
  socket.on("data", (chunk: Buffer) => {
    for (const frame of parser.push(chunk)) {
      if (frame.kind === "oversize" || frame.type !== 1) continue;
      void answer(frame.body, handlers, end).then((body) => {
        if (body === undefined) return;
        socket.write(encodeHeader(body.length, { streamId: frame.streamId, type: FRAME_RESPONSE, flags: 0 }));
        socket.write(body);
      });
    }
  });
}

/** Returns undefined for a call that is never answered: its handler has returned undefined. */
async function answer(body: Uint8Array, handlers: Handlers, end: () => void): Promise<Uint8Array | undefined> {
  const failure = (kind: CodeName, message: string) =>
    ttrpc.Response.encode({ status: { code: CODES[kind], message } }).finish();
  try {
    const { service, method, payload } = ttrpc.Request.decode(body);
    const known: Readonly<Record<string, Readonly<Record<string, AnyMethod>>>> = services;
    const codecs = known[service]?.[method];
    const handler = handlers[method];
    if (codecs === undefined || handler === undefined) return failure("unimplemented", `${method} is not implemented`);
    const response = await handler(codecs.request.decode(payload), end);
    if (response === undefined) return undefined;
    return ttrpc.Response.encode({ payload: codecs.response.encode(response as never) }).finish();
  } catch (error) {
    return error instanceof Answer ? failure(error.kind, error.message) : failure("unknown", (error as Error).message);
  }
}
