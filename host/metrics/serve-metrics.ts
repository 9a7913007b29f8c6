import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type LocalPlace, listenAt } from "../client/streams/local-forward.ts";
import { oneLine } from "../operation-error.ts";

const TYPE = "text/plain; version=0.0.4; charset=utf-8";
/** Bounds of what clients can take: connections, and milliseconds for a request. */
const MAX_CONNECTIONS = 32;
const REQUEST_MS = 10_000;

export interface ServedMetrics extends AsyncDisposable {
  /** 0 for a unix socket. */
  readonly port: number;
}

/** Serves metrics at /metrics. Requests during a scrape get its result. Rejects if it can't listen. */
export async function serveMetrics(place: LocalPlace, scrape: () => Promise<string>): Promise<ServedMetrics> {
  let running: Promise<string> | undefined;
  const current = () => {
    running ??= scrape().finally(() => {
      running = undefined;
    });
    return running;
  };
  const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
    request.resume();
    const path = request.url?.replace(/\?.*/, "");
    if (path !== "/metrics") return void response.writeHead(404).end("not found; see /metrics\n");
    if (request.method !== "GET" && request.method !== "HEAD") return void response.writeHead(405).end();
    current().then(
      (text) => response.setHeader("content-type", TYPE).end(text),
      (error: unknown) => response.writeHead(500).end(`${oneLine(error)}\n`),
    );
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listenAt(server, place);
  return { port: (server.address() as AddressInfo).port ?? 0, [Symbol.asyncDispose]: () => closed(server) };
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
