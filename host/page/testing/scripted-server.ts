import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { PageFiles } from "../../serve/http/page-files.ts";
import { SECURITY_HEADERS } from "../../serve/http/security-headers.ts";
import { changesBetween } from "../../serve/protocol/guest-changes.ts";
import type { GuestTree } from "../../serve/protocol/guest-tree.ts";
import { binaryFrame, type ChannelMessage, type ClientFrame, type OpenFrame } from "../../serve/protocol/socket.ts";
import { PAGE_FOLDER } from "../build.ts";
import { ANSWERS, sampleEvents, sampleSpans } from "./sample-answers.ts";
import { sampleGuests } from "./sample-guests.ts";

export interface ScriptedServerOptions {
  readonly guests?: number;
  /** Number for each guest. */
  readonly containers?: number;
  /** Time between two changes of all numbers, in ms; without it, they stay. */
  readonly intervalMs?: number;
}

/** A server with the page, which shows guests that don't exist: for pictures, and for loads that no machine has. */
export class ScriptedServer implements AsyncDisposable {
  readonly #options: Required<Omit<ScriptedServerOptions, "intervalMs">> & ScriptedServerOptions;
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #sockets = new WebSocketServer({ server: this.#server, path: "/api/socket" });
  readonly #files = new PageFiles(PAGE_FOLDER);
  #timer: NodeJS.Timeout | undefined;
  #guests: readonly GuestTree[];
  #moment = 0;

  private constructor(options: ScriptedServerOptions) {
    this.#options = { guests: 4, containers: 5, ...options };
    this.#guests = sampleGuests(this.#options.guests, this.#options.containers);
    this.#sockets.on("connection", (socket) => {
      socket.on("message", (data, isBinary) => {
        if (!isBinary) this.#receive(socket, JSON.parse(`${data}`) as ClientFrame);
      });
    });
  }

  static async start(options: ScriptedServerOptions = {}): Promise<ScriptedServer> {
    const server = new ScriptedServer(options);
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    const { pathname } = new URL(request.url ?? "/", "http://page");
    if (await this.#files.answer(pathname, request, response)) return;
    const answer = ANSWERS[pathname.split("/").at(-1) ?? ""];
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? { error: `${pathname}: no such request` }));
  }

  #receive(socket: WebSocket, frame: ClientFrame): void {
    if (!("open" in frame)) return;
    const send = (message: ChannelMessage) => socket.send(JSON.stringify({ on: frame.open, ...message }));
    switch (frame.kind) {
      case "guests":
        send({ whole: this.#guests });
        this.#change(send);
        break;
      case "events":
        send({ events: sampleEvents(frame.guest ?? "shop") });
        break;
      case "calls":
        send({ source: "spans arrive from the agent", isReceiving: true });
        send({ spans: sampleSpans() });
        break;
      case "logs":
        send({ log: sampleLog() });
        send({ isLive: true });
        break;
      case "terminal":
        this.#showTerminal(socket, frame, send);
        break;
    }
  }

  #change(send: (message: ChannelMessage) => void): void {
    const { intervalMs, guests, containers } = this.#options;
    if (intervalMs === undefined) return;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      const next = sampleGuests(guests, containers, ++this.#moment);
      const changes = changesBetween(this.#guests, next);
      this.#guests = next;
      if (changes !== undefined) send({ changes });
    }, intervalMs);
  }

  #showTerminal(socket: WebSocket, { open }: OpenFrame, send: (message: ChannelMessage) => void): void {
    const attached = { exec: "x-3fa94c1b", from: { epoch: "00", offset: 0 }, owner: true, isTerminal: true };
    send({ attached });
    const text =
      "/ # ls --color\r\n\x1b[1;34mbin\x1b[0m  \x1b[1;34mdev\x1b[0m  \x1b[1;34metc\x1b[0m  \x1b[0;32mrun.sh\x1b[0m\r\n" +
      "/ # echo \x1b[38;2;220;120;40mtrue colour\x1b[0m\r\ntrue colour\r\n/ # ";
    socket.send(binaryFrame(open, Buffer.from(text)));
  }
}

function sampleLog() {
  return Array.from({ length: 60 }, (_, index) => ({
    ...({ container: index % 3 === 0 ? "cache" : "web", stream: index % 11 === 5 ? "stderr" : "stdout" } as const),
    time: Date.parse("2026-11-28T18:30:00.000Z") + index * 137,
    lines: [
      index % 11 === 5
        ? "[error] upstream timed out (110: Connection timed out)"
        : `10.0.0.${index} - - "GET /items/${index * 7} HTTP/1.1" 200 ${index * 311}`,
    ],
  }));
}
