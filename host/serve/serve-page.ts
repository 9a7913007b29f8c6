import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { WebSocketServer } from "ws";
import { type LocalPlace, listenAt } from "../client/streams/local-forward.ts";
import { ConnectionBudget } from "../connection-budget.ts";
import type { StateStore } from "../engine/record/state-store.ts";
import { LiveView } from "../engine/tree/live-view.ts";
import { type AnswerParts, answerRequest } from "./http/answer-request.ts";
import { PageFiles } from "./http/page-files.ts";
import { loadSandbox } from "./load-sandbox.ts";
import type { RunCommand, ServeContext } from "./serve-context.ts";
import { placeOf } from "./session/allowed-request.ts";
import { ownAddress } from "./session/own-address.ts";
import { sessionKey } from "./session/session-key.ts";
import { Sessions } from "./session/sessions.ts";
import { PageConnection } from "./socket/page-connection.ts";
import { SpanFeed } from "./spans/span-feed.ts";
import { EndedExecs } from "./terminal/ended-execs.ts";
import { Owners } from "./terminal/owners.ts";
import { TreeFeed } from "./tree-feed.ts";

/** Bounds of what clients can take. */
const CONNECTIONS = { strangers: 64, known: 192 };
const MAX_SOCKETS = 64;
const MAX_MESSAGE_BYTES = 128 * 1024;
/** When the SDK is loaded after a page has connected, which then has its first state. */
const LOAD_MS = 1000;
const HEADERS = { headersTimeout: 10_000, requestTimeout: 0, connectionsCheckingInterval: 2000 };

export interface ServePageOptions {
  readonly store: StateStore;
  readonly listen: LocalPlace;
  /** Address at which a proxy serves the page. */
  readonly origin?: URL | undefined;
  readonly allowExec: boolean;
  readonly version: string;
  /** Folder of the built page. */
  readonly page: string;
  readonly reports?: string | undefined;
  readonly guest?: string | undefined;
  readonly address?: string | undefined;
  readonly run: RunCommand;
}

export interface ServedPage extends AsyncDisposable {
  /** The link that opens a session, once; of a unix socket without an origin only its end. */
  readonly url: string;
}

/**
 * Serves the page and its requests until disposal. It owns nothing that could be lost. Rejects with Node's error if it can't
 * listen, with FolderError or OperationError if the state store or the sessions' key can't be read.
 */
export async function servePage(options: ServePageOptions): Promise<ServedPage> {
  const { store, origin, guest, address, version, allowExec, reports, run } = options;
  const closing = new AbortController();
  const key = sessionKey(store.root);
  const view = new LiveView(store, { ...(guest && { guest }), ...(address && { address }) });
  const feed = new TreeFeed(view);
  const closeView = () => {
    feed[Symbol.dispose]();
    view.close();
  };
  const server = createServer(HEADERS);
  const connections = new ConnectionBudget(server, CONNECTIONS);
  const listen = await listenAtOwn(server, options, key).catch((error: unknown) => {
    closeView();
    throw error;
  });
  const { port } = server.address() as AddressInfo;
  const sessions = new Sessions(placeOf({ ...listen, port }, origin), key, allowExec);
  const context: ServeContext = {
    store,
    view,
    feed,
    version,
    allowExec,
    reports,
    run,
    signal: closing.signal,
    owners: new Owners(),
    endedExecs: new EndedExecs(),
    spans: new SpanFeed(),
  };
  const parts = { context, sessions, connections, page: new PageFiles(options.page) };
  server.on("request", (request, response) => void answerRequest(request, response, parts));
  const sockets = serveSockets(server, parts);
  return {
    url: `${origin?.origin ?? urlOf(listen, port)}/#${sessions.token}`,
    async [Symbol.asyncDispose]() {
      closing.abort();
      sockets.close();
      await closed(server);
      closeView();
    },
  };
}

/** Listens, by default at an address of this user's own, and resolves with the place. */
async function listenAtOwn(server: Server, { listen, origin }: ServePageOptions, key: Buffer): Promise<LocalPlace> {
  const isGiven = listen.host !== undefined || listen.path !== undefined || origin !== undefined;
  const own = isGiven ? listen : { ...listen, host: ownAddress(key) };
  try {
    await listenAt(server, own);
    return own;
  } catch (error) {
    // Not every machine has all of 127.0.0.0/8.
    if (isGiven || (error as NodeJS.ErrnoException).code !== "EADDRNOTAVAIL") throw error;
    await listenAt(server, listen);
    return listen;
  }
}

/** Accepts WebSockets of pages that have a session. */
function serveSockets(server: Server, { sessions, connections, context }: AnswerParts): { close(): void } {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
  const isWelcome = ({ headers, url }: IncomingMessage) =>
    sessions.isAllowed(headers, "write") && sessions.has(headers) && url === "/api/socket";
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    if (!isWelcome(request)) return refuse(socket, "403 Forbidden");
    if (sockets.clients.size >= MAX_SOCKETS || !connections.admit(socket))
      return refuse(socket, "503 Service Unavailable");
    sockets.handleUpgrade(request, socket, head, (client) => {
      new PageConnection(client, context);
      setTimeout(() => void loadSandbox().catch(() => undefined), LOAD_MS).unref();
    });
  });
  return {
    close() {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
    },
  };
}

function refuse(socket: Socket, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
}

function urlOf({ host = "127.0.0.1", path }: LocalPlace, port: number): string {
  if (path !== undefined) return "http://localhost";
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
