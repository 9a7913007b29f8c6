import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type LocalPlace, listenAt } from "../client/streams/local-forward.ts";
import { ConnectionBudget } from "../connection-budget.ts";
import { oneLine } from "../operation-error.ts";
import { isOwnHost } from "./own-host.ts";

const TYPE = "text/plain; version=0.0.4; charset=utf-8";
/** Bounds of what clients can take: connections without and with a request, and milliseconds for a request. */
const CONNECTIONS = { strangers: 32, known: 32 };
const REQUESTS = { requestTimeout: 10_000, headersTimeout: 10_000, connectionsCheckingInterval: 2000 };

export interface ServedMetrics extends AsyncDisposable {
  /** 0 for a unix socket. */
  readonly port: number;
}

/**
 * Serves metrics at /metrics. Requests during a scrape get its result. Rejects if it can't listen.
 * @param names names of this machine beside its addresses, in lower case; those of a unix socket's requests don't matter
 */
export async function serveMetrics(
  place: LocalPlace,
  scrape: () => Promise<string>,
  names: readonly string[] = [],
): Promise<ServedMetrics> {
  let running: Promise<string> | undefined;
  const current = () => {
    running ??= scrape().finally(() => {
      running = undefined;
    });
    return running;
  };
  const server = createServer(REQUESTS, (request, response) => {
    request.resume();
    if (place.path === undefined && !isOwnHost(request, names)) {
      return void response.writeHead(403, { connection: "close" }).end("unknown Host; name it with --host\n");
    }
    if (!connections.admit(request.socket)) return void response.writeHead(503, { connection: "close" }).end();
    const path = request.url?.replace(/\?.*/, "");
    if (path !== "/metrics") return void response.writeHead(404).end("not found; see /metrics\n");
    if (request.method !== "GET" && request.method !== "HEAD") return void response.writeHead(405).end();
    current().then(
      (text) => response.setHeader("content-type", TYPE).end(text),
      (error: unknown) => response.writeHead(500).end(`${oneLine(error)}\n`),
    );
  });
  const connections = new ConnectionBudget(server, CONNECTIONS);
  await listenAt(server, place);
  return { port: (server.address() as AddressInfo).port ?? 0, [Symbol.asyncDispose]: () => closed(server) };
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
