import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { keepSession } from "../../../../lib/kept-session.ts";
import type { Direction } from "../../format/conversation.ts";
import type { PassingMessage } from "../passing-message.ts";
import { type Gathered, gather } from "./gather.ts";

/** Answer of the agent: headers alone, or with a body and trailers. */
interface Answer {
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Gathered;
  readonly trailers?: () => OutgoingHttpHeaders;
  /** Has the rest of the body. */
  readonly stream?: ClientHttp2Stream;
}

/** The connection of a call. */
export interface CallConnection {
  readonly id: number;
  readonly agent: ClientHttp2Session;
  /** Passes a message on, changes it, or does something else. */
  onMessage(message: PassingMessage): Promise<void>;
  /** Resolves when a message of so many bytes is due, or the host is gone. */
  delay(direction: Direction, bytes: number, ms: number): Promise<void>;
  /** Closes the connection once what was written in a direction is delivered. */
  close(direction: Direction): Promise<void>;
}

/** A gRPC call of a host, which is made again at the agent. */
export class RelayedCall {
  readonly #connection: CallConnection;
  readonly #host: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;

  constructor(connection: CallConnection, host: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.#connection = connection;
    this.#host = host;
    this.#headers = headers;
    host.on("error", () => undefined);
  }

  /** Resolves when the call is answered, dropped or reset, or the agent is gone. */
  async run(): Promise<void> {
    const request = await gather(this.#host);
    if (request === undefined) return;
    if (!request.isWhole) return this.#request(request);
    await this.#connection.onMessage(
      this.#message("request", request.bytes, {
        pass: () => this.#request(request),
        passTwice: () => {
          this.#open()?.resume().end(request.bytes);
          return this.#request(request);
        },
        cut: async (bytes) => {
          const agent = this.#open();
          if (agent !== undefined) await write(agent, bytes);
        },
      }),
    );
  }

  #message(
    direction: Direction,
    bytes: Buffer,
    { pass, passTwice, cut }: { pass(): Promise<void>; passTwice(): Promise<void>; cut(bytes: Buffer): Promise<void> },
  ): PassingMessage {
    const { id, delay, close } = this.#connection;
    return {
      conn: id,
      direction,
      stream: this.#host.id ?? 0,
      method: String(this.#headers[":path"]).split("/").at(-1) ?? "",
      pass,
      passTwice,
      passLater: async (ms) => {
        await delay(direction, bytes.length, ms);
        await pass();
      },
      cut: async (count) => {
        if (count > 0) await cut(bytes.subarray(0, count));
        await close(direction);
      },
      fail: (code, text) => {
        const status = { "grpc-status": code, "grpc-message": encodeURIComponent(text) };
        return this.#answer({ headers: { ":status": 200, "content-type": "application/grpc", ...status } });
      },
    };
  }

  /** Opens a stream at the agent, which ends with the host's. Undefined if either side is gone. */
  #open(): ClientHttp2Stream | undefined {
    if (this.#connection.agent.closed) this.#host.close(constants.NGHTTP2_REFUSED_STREAM);
    if (this.#host.closed) return undefined;
    const agent = this.#connection.agent.request(this.#headers, { endStream: false });
    keepSession(agent);
    agent.on("error", () => undefined);
    this.#host.once("close", () => agent.close(constants.NGHTTP2_CANCEL));
    return agent;
  }

  async #request({ bytes, isWhole }: Gathered): Promise<void> {
    const agent = this.#open();
    if (agent === undefined) return;
    let trailers: OutgoingHttpHeaders = {};
    agent.once("trailers", (received) => {
      trailers = received;
    });
    const answered = new Promise<Answer | undefined>((resolve) => {
      agent.once("close", () => resolve(undefined));
      agent.once("response", (headers, flags) => {
        const ends = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
        const body = gather(agent);
        if (ends) resolve({ headers });
        else resolve(body.then((one) => one && { headers, body: one, trailers: () => trailers, stream: agent }));
      });
    });
    send(agent, { bytes, isWhole }, this.#host);
    const answer = await answered;
    if (answer !== undefined) return this.#response(answer);
    // If the agent's connection is lost, the host's ends too, and with it the stream.
    if (!this.#connection.agent.destroyed) this.#host.close(agent.rstCode);
  }

  async #response(answer: Answer): Promise<void> {
    const { headers, body = { bytes: Buffer.alloc(0), isWhole: true } } = answer;
    if (!body.isWhole) return this.#answer(answer);
    const { bytes } = body;
    const twice = { ...body, bytes: Buffer.concat([bytes, bytes]) };
    await this.#connection.onMessage(
      this.#message("response", bytes, {
        pass: () => this.#answer(answer),
        passTwice: () => this.#answer(answer.body === undefined ? answer : { ...answer, body: twice }),
        cut: async (part) => {
          this.#host.respond(headers);
          await write(this.#host, part);
        },
      }),
    );
  }

  /** Answers the host. Resolves when all of it is sent, or the host has reset the call. */
  async #answer({ headers, body, trailers, stream }: Answer): Promise<void> {
    const host = this.#host;
    if (host.closed) return;
    host.once("wantTrailers", () => host.sendTrailers(trailers?.() ?? {}));
    host.respond(headers, body === undefined ? { endStream: true } : { waitForTrailers: true });
    if (body !== undefined) send(host, body, stream);
    await new Promise((resolve) => host.once("close", resolve));
  }
}

type Stream = ClientHttp2Stream | ServerHttp2Stream;

/** Sends bytes and, if they are not whole, what follows them. */
function send(to: Stream, { bytes, isWhole }: Gathered, from: Stream | undefined): void {
  if (isWhole) {
    to.end(bytes);
    return;
  }
  to.write(bytes);
  from?.pipe(to);
}

/** Resolves when the bytes are sent. */
function write(to: Stream, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => to.write(bytes, () => resolve()));
}
