import type { IncomingMessage, ServerResponse } from "node:http";
import type { ServeContext } from "../serve-context.ts";

/** A request to a route: its parameters are the decoded parts of the path that the route's pattern names. */
export interface RouteRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly context: ServeContext;
  /** Aborts when the client or the server is gone. */
  readonly signal: AbortSignal;
}

/** Answers a request with JSON; undefined if it has answered itself. Throws RequestFailure or OperationError. */
export type Handler = (route: RouteRequest) => object | undefined | Promise<object | undefined>;

export interface Route {
  readonly method: "GET" | "POST" | "PUT";
  /** Such as "/api/guests/:guest/plan". */
  readonly path: string;
  /** Needs --allow-exec. */
  readonly isWrite?: true;
  readonly handle: Handler;
}

/** Returns the parameters of a path that a pattern matches; undefined if it doesn't. */
export function matchPath(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const text = given[index] ?? "";
    if (!part.startsWith(":")) {
      if (part !== text) return undefined;
      continue;
    }
    const value = decoded(text);
    if (value === undefined) return undefined;
    params[part.slice(1)] = value;
  }
  return params;
}

/** Returns undefined for what isn't UTF-8 in percent signs. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text) || undefined;
  } catch {
    return undefined;
  }
}
