import type { IncomingHttpHeaders } from "node:http";

/** Where browsers find the server. */
export interface AllowedPlace {
  readonly scheme: "http" | "https";
  /** Values of Host. */
  readonly hosts: readonly string[];
}

/** `read` asks for the page's files, or for data; what changes something, and a WebSocket, is `write` and needs an Origin. */
export type RequestKind = "page" | "read" | "write";

/**
 * True if a request was sent to this server under its own name, and not by a page of another origin: a name that was rebound to
 * this address has another Host.
 */
export function isAllowedRequest(place: AllowedPlace, headers: IncomingHttpHeaders, kind: RequestKind): boolean {
  const { host = "", origin } = headers;
  if (!place.hosts.includes(host)) return false;
  if (origin === undefined ? kind === "write" : origin !== `${place.scheme}://${host}`) return false;
  // Any page may link to this one, whose files have no secrets.
  if (kind === "page" && headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document")
    return true;
  // Of a page at another port of this host, SameSite lets the cookie through.
  return ["same-origin", "none", undefined].includes(headers["sec-fetch-site"]?.toString());
}

/** Returns the names of a server that listens on a loopback address, or behind a proxy at `origin`. */
export function placeOf(
  { host = "127.0.0.1", port = 0, path }: { readonly host?: string; readonly port?: number; readonly path?: string },
  origin: URL | undefined,
): AllowedPlace {
  if (origin !== undefined) return { scheme: origin.protocol === "https:" ? "https" : "http", hosts: [origin.host] };
  if (path !== undefined) return { scheme: "http", hosts: ["localhost"] };
  const own = host.includes(":") ? `[${host}]` : host;
  // Browsers leave out the port 80.
  const names = [own, "localhost"].flatMap((name) => (port === 80 ? [name] : [`${name}:${port}`]));
  return { scheme: "http", hosts: names };
}
