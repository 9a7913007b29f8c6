import type { WebSocket } from "ws";
import { isJsonObject } from "../../../lib/parse-json.ts";
import { OperationError, oneLine } from "../../operation-error.ts";
import { CheckedFields } from "../checked-fields.ts";
import { parseBinaryFrame } from "../protocol/socket.ts";
import type { ServeContext } from "../serve-context.ts";
import type { Channel } from "./channel.ts";
import { openChannel } from "./open-channel.ts";
import { Outbox } from "./outbox.ts";
import { PagePort } from "./page-port.ts";

/** Most open channels of a connection. */
const MAX_CHANNELS = 32;
const MAX_NUMBER = 2 ** 32 - 1;
const PING_MS = 15_000;
/** Status of a WebSocket whose peer breaks the protocol. */
const PROTOCOL_ERROR = 1002;
const MAX_REASON = 100;

interface Open {
  readonly port: PagePort;
  readonly channel: Channel;
}

/** One page's WebSocket with its channels. A message that breaks the protocol ends it. */
export class PageConnection {
  readonly #socket: WebSocket;
  readonly #outbox: Outbox;
  readonly #context: ServeContext;
  readonly #channels = new Map<number, Open>();
  readonly #ping: NodeJS.Timeout;
  /** Highest number that was opened: numbers aren't used again. */
  #last = 0;
  #isAnswering = true;

  constructor(socket: WebSocket, context: ServeContext) {
    this.#socket = socket;
    this.#outbox = new Outbox(socket);
    this.#context = context;
    socket.on("message", (data, isBinary) => this.#take(data as Buffer, isBinary));
    socket.on("pong", () => {
      this.#isAnswering = true;
    });
    socket.on("error", () => undefined); // close follows
    socket.on("close", () => this.#closed());
    this.#ping = setInterval(() => this.#checkAlive(), PING_MS);
  }

  #checkAlive(): void {
    if (this.#isAnswering) this.#socket.ping();
    else this.#socket.terminate();
    this.#isAnswering = false;
  }

  #closed(): void {
    clearInterval(this.#ping);
    this.#outbox.close();
    for (const number of [...this.#channels.keys()]) this.#drop(number);
  }

  #take(data: Buffer, isBinary: boolean): void {
    try {
      if (isBinary) this.#takeBytes(data);
      else this.#takeText(data.toString("utf8"));
    } catch (error) {
      this.#socket.close(PROTOCOL_ERROR, oneLine(error).slice(0, MAX_REASON));
    }
  }

  #takeText(text: string): void {
    const value: unknown = JSON.parse(text);
    if (!isJsonObject(value)) throw new OperationError("a message is no JSON object");
    const fields = new CheckedFields(value);
    if (fields.has("open")) this.#open(fields.whole("open", 1, MAX_NUMBER), fields);
    else if (fields.has("close")) this.#channels.get(fields.whole("close", 1, MAX_NUMBER))?.port.end();
    else this.#guarded(fields.whole("to", 1, MAX_NUMBER), (channel) => channel.receive?.(fields));
  }

  #takeBytes(data: Buffer): void {
    const frame = parseBinaryFrame(data);
    if (frame === undefined) throw new OperationError("a binary message is shorter than a channel's number");
    this.#guarded(frame.channel, (channel) => channel.input?.(frame.bytes));
  }

  #open(number: number, fields: CheckedFields): void {
    if (number <= this.#last) throw new OperationError(`channel ${number}: numbers must grow`);
    this.#last = number;
    const port = new PagePort(number, this.#outbox, () => this.#drop(number));
    try {
      if (this.#channels.size >= MAX_CHANNELS) throw new OperationError(`a page may have ${MAX_CHANNELS} channels`);
      const channel = openChannel(fields, port, this.#context);
      if (port.isEnded) channel.close();
      else this.#channels.set(number, { port, channel });
    } catch (error) {
      port.end(oneLine(error));
    }
  }

  /** Messages for a channel that has ended meanwhile are dropped. */
  #guarded(number: number, work: (channel: Channel) => void): void {
    const open = this.#channels.get(number);
    if (open === undefined) return;
    try {
      work(open.channel);
    } catch (error) {
      open.port.end(oneLine(error));
    }
  }

  #drop(number: number): void {
    const open = this.#channels.get(number);
    this.#channels.delete(number);
    open?.channel.close();
  }
}
