import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { TraceCollector } from "../namespaces/testing/sdk-trace-suite.ts";
import { type ReadSpan, spansOf } from "../scenarios/read-spans.ts";

/** Starts a collector that accepts OTLP over HTTP as protobuf, on any port of 127.0.0.1. */
export async function startOtlpReceiver(): Promise<TraceCollector> {
  const spans: ReadSpan[] = [];
  let changed = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    const isSpans = request.method === "POST" && request.url === "/v1/traces";
    if (!isSpans || request.headers["content-type"] !== "application/x-protobuf") {
      response.writeHead(415).end();
      return;
    }
    spans.push(...spansOf(body));
    response.setHeader("content-type", "application/x-protobuf").end();
    changed.resolve();
    changed = Promise.withResolvers();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async until(isLast) {
      while (!spans.some(isLast)) await changed.promise;
      return spans;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
