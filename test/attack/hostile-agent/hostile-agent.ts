import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { ttrpc } from "../../../proto/gen/messages.js";
import { services } from "../../../proto/gen/services.js";
import { encodeHeader, FRAME_RESPONSE, FrameParser, MAX_BODY_BYTES } from "../../../proto/ttrpc-frame.ts";
import { answerStreams, mannerOf, type StreamManner } from "./hostile-streams.ts";
import { EVIL, worstMessage } from "./worst-message.ts";

export const MANNERS = [
  "plausible",
  "names",
  "long",
  "bytes",
  "many",
  "numbers",
  "counts",
  "half",
  "silent",
  "errors",
] as const satisfies readonly StreamManner[];

const ENVELOPE_BYTES = 1024;
const SPANS = "otlp.ExportTraceServiceRequest";
/** Between two looks for a host that listens for spans. */
const LOOK_MS = 200;

/** An agent that answers every call and every stream in one manner, at a unix socket and those of its streams. */
export class HostileAgent implements Disposable {
  readonly address: string;
  manner: StreamManner = "plausible";
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #spans: string;
  #sending: NodeJS.Timeout | undefined;
  #reached = Promise.withResolvers<void>();

  private constructor(path: string) {
    this.address = `unix://${path}`;
    this.#spans = `${path}_10240`;
  }

  static async listen(path: string): Promise<HostileAgent> {
    const agent = new HostileAgent(path);
    await agent.#serve(path, (socket) => agent.#answerCalls(socket));
    await agent.#serve(`${path}_1028`, (socket) => answerStreams(socket, agent.manner));
    // Ports of the log: an endless line.
    await agent.#serve(`${path}_1025`, (socket) => void socket.write("x".repeat(1 << 20)));
    return agent;
  }

  /** Begins another attack: resolves once a client has connected. */
  begin(manner: StreamManner): { readonly reached: Promise<void> } {
    this.manner = manner;
    this.#reached = Promise.withResolvers();
    clearInterval(this.#sending);
    this.#sending = setInterval(() => this.#sendSpans(), LOOK_MS);
    return { reached: this.#reached.promise };
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers) server.close();
    this.drop();
  }

  /** Ends all connections. */
  drop(): void {
    clearInterval(this.#sending);
    for (const socket of this.#sockets) socket.destroy();
  }

  async #serve(path: string, answer: (socket: Socket) => void): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined).once("close", () => this.#sockets.delete(socket));
      this.#reached.resolve();
      answer(socket);
    });
    this.#servers.push(server);
    await once(server.listen(path), "listening");
  }

  /** Connects to a host that listens for spans, and sends it the worst ones without end. */
  #sendSpans(): void {
    const socket = connect(this.#spans);
    socket
      .on("error", () => undefined)
      .once("connect", () => {
        clearInterval(this.#sending);
        this.#sockets.add(socket.once("close", () => this.#sockets.delete(socket)));
        this.#reached.resolve();
        if (this.manner === "silent") return;
        const message = worstMessage(SPANS, mannerOf(this.manner), MAX_BODY_BYTES);
        const length = Buffer.alloc(8);
        length.writeBigUInt64BE(BigInt(message.length));
        const bytes = Buffer.concat([length, message]);
        if (this.manner === "half") return void socket.write(bytes.subarray(0, bytes.length - 1));
        const send = () => {
          while (!socket.destroyed && socket.write(bytes));
        };
        socket.on("drain", send);
        send();
      });
  }

  #answerCalls(socket: Socket): void {
    const parser = new FrameParser();
    socket.on("data", (chunk: Buffer) => {
      for (const frame of parser.push(chunk)) {
        if (frame.kind === "oversize" || this.manner === "silent") continue;
        const { service, method } = ttrpc.Request.decode(frame.body);
        const body = this.#answer(service, method);
        const bytes = Buffer.concat([
          encodeHeader(body.length, { streamId: frame.streamId, type: FRAME_RESPONSE, flags: 0 }),
          body,
        ]);
        socket.write(this.manner === "half" ? bytes.subarray(0, bytes.length - 1) : bytes);
      }
    });
  }

  #answer(service: string, method: string): Uint8Array {
    const { manner } = this;
    const found = Object.entries(services).find(([name]) => name === service)?.[1] as
      | Record<string, { response: { name: string } }>
      | undefined;
    const response = found?.[method]?.response.name;
    if (manner === "errors" || response === undefined) {
      const message = manner === "errors" ? EVIL.repeat(10_000) : "unimplemented";
      return ttrpc.Response.encode({ status: { code: 12, message } }).finish();
    }
    const payload = worstMessage(response, mannerOf(manner), MAX_BODY_BYTES - ENVELOPE_BYTES);
    return ttrpc.Response.encode({ payload }).finish();
  }
}
