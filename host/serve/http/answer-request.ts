import type { IncomingMessage, ServerResponse } from "node:http";
import type { ConnectionBudget } from "../../connection-budget.ts";
import { oneLine } from "../../operation-error.ts";
import type { LinkAnswer, SessionAnswer } from "../protocol/requests.ts";
import { RequestFailure, statusOf } from "../request-failure.ts";
import { allRoutes } from "../route/all-routes.ts";
import { NEEDS_ALLOW_EXEC, type ServeContext } from "../serve-context.ts";
import type { Sessions } from "../session/sessions.ts";
import type { PageFiles } from "./page-files.ts";
import { readJson } from "./read-json.ts";
import { matchPath } from "./routes.ts";
import { SECURITY_HEADERS } from "./security-headers.ts";

/** Most characters of a session's token; a wrong one is longer than the right one at most by this. */
const MAX_TOKEN = 128;

export interface AnswerParts {
  readonly context: ServeContext;
  readonly sessions: Sessions;
  readonly page: PageFiles;
  readonly connections: ConnectionBudget;
}

/** Answers a request, whatever it is. A stranger gets an empty 403 for everything but the page's own files. */
export async function answerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  parts: AnswerParts,
): Promise<void> {
  try {
    await answer(request, response, parts);
  } catch (error) {
    if (response.headersSent) {
      response.destroy(); // what was sent is not whole
      return;
    }
    sendJson(response, statusOf(error), { error: oneLine(error) });
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { context, sessions, page, connections }: AnswerParts,
): Promise<void> {
  const { method = "" } = request;
  const isRead = method === "GET" || method === "HEAD";
  const url = URL.parse(request.url ?? "", "http://page");
  const isPage = url?.pathname.startsWith("/api/") === false;
  const kind = !isRead ? "write" : isPage ? "page" : "read";
  if (url === null || !sessions.isAllowed(request.headers, kind)) return refuse(response);
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
  const { pathname, searchParams } = url;
  if (isPage) {
    if (isRead && (await page.answer(pathname, request, response))) return;
    return refuse(response);
  }
  response.setHeader("cache-control", "no-store");
  if (pathname === "/api/session" && method === "POST") return await openSession(request, response, sessions);
  const isLink = isRead && sessions.hasLink(request.headers, request.url ?? "");
  if (!isLink && !sessions.has(request.headers)) return refuse(response);
  if (!connections.admit(request.socket)) throw new RequestFailure(503, "too many connections; close a page");
  if (pathname === "/api/links" && method === "POST") return await makeLink(request, response, sessions);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  for (const route of allRoutes) {
    const params = route.method === method ? matchPath(route.path, pathname) : undefined;
    if (params === undefined) continue;
    if (route.isWrite && !context.allowExec) throw new RequestFailure(403, NEEDS_ALLOW_EXEC);
    const signal = AbortSignal.any([gone.signal, context.signal]);
    const body = await route.handle({ params, query: searchParams, request, response, context, signal });
    if (body !== undefined) sendJson(response, 200, body);
    return;
  }
  throw new RequestFailure(404, `${method} ${pathname}: no such request`);
}

async function openSession(request: IncomingMessage, response: ServerResponse, sessions: Sessions): Promise<void> {
  const { token } = await readJson(request);
  const session = typeof token === "string" && token.length <= MAX_TOKEN ? sessions.open(token) : undefined;
  if (session === undefined) return refuse(response);
  response.setHeader("set-cookie", session.cookie);
  sendJson(response, 200, { secret: session.secret } satisfies SessionAnswer);
}

/** A browser downloads by a plain address, without the page's secret: this one is good for one file and a minute. */
async function makeLink(request: IncomingMessage, response: ServerResponse, sessions: Sessions): Promise<void> {
  const { path } = await readJson(request);
  if (typeof path !== "string" || !path.startsWith("/api/") || !path.includes("?"))
    throw new RequestFailure(400, "path: expected the address of a file");
  sendJson(response, 200, { href: sessions.link(request.headers, path) } satisfies LinkAnswer);
}

/** Says nothing but no. */
function refuse(response: ServerResponse): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  response.writeHead(403, { "content-length": 0, connection: "close" }).end();
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  const length = Buffer.byteLength(text);
  response.writeHead(status, { "content-type": "application/json", "content-length": length }).end(text);
}
