import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** Collector of a test, with the requests that it got. */
export interface PostedSpans extends AsyncDisposable {
  readonly url: string;
  readonly posts: readonly { readonly headers: IncomingHttpHeaders; readonly body: Buffer }[];
  /** HTTP status that it answers with. */
  status: number;
  /** Resolves once it has answered another request. */
  next(): Promise<void>;
}

/** Starts an HTTP server that keeps what is posted to /v1/traces. */
export async function startCollector(): Promise<PostedSpans> {
  const posts: { headers: IncomingHttpHeaders; body: Buffer }[] = [];
  const state = { status: 200, taken: 0, posted: Promise.withResolvers<void>() };
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    const isSpans = request.method === "POST" && request.url === "/v1/traces";
    if (isSpans) posts.push({ headers: request.headers, body });
    response.writeHead(isSpans ? state.status : 404).end(() => {
      state.posted.resolve();
      state.posted = Promise.withResolvers();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    posts,
    get status() {
      return state.status;
    },
    set status(status) {
      state.status = status;
    },
    async next() {
      while (posts.length === state.taken) await state.posted.promise;
      state.taken++;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
