import type { IncomingHttpHeaders } from "node:http";
import { type AllowedPlace, isAllowedRequest, type RequestKind } from "./allowed-request.ts";
import { OneTimeToken } from "./one-time-token.ts";
import { type NewSession, type Right, SessionProof } from "./session-proof.ts";

/** Name of the header, and start of the WebSocket's subprotocol, by which the page proves that it is the page. */
const SECRET_HEADER = "guestd-page";
const SECRET_PROTOCOL = "guestd-page.";

/** Who may talk to the server: the page that was opened by its link, and no other. */
export class Sessions {
  readonly #place: AllowedPlace;
  readonly #proof: SessionProof;
  readonly #right: Right;
  readonly #token = new OneTimeToken();

  constructor(place: AllowedPlace, key: Buffer, allowExec: boolean) {
    this.#place = place;
    // With the port in its name, the cookie of another server on this host doesn't replace it.
    const [, port = ""] = /:(\d+)$/.exec(place.hosts[0] ?? "") ?? [];
    this.#proof = new SessionProof(key, port === "" ? "guestd" : `guestd-${port}`);
    this.#right = allowExec ? "x" : "r";
  }

  /** Opens the only session that can be opened. */
  get token(): string {
    return this.#token.text;
  }

  /** True if the request came under the server's name and from no other origin. */
  isAllowed(headers: IncomingHttpHeaders, kind: RequestKind): boolean {
    return isAllowedRequest(this.#place, headers, kind);
  }

  /** True if the request has both halves of a session: the cookie, and the secret that only the page's own origin has. */
  has(headers: IncomingHttpHeaders): boolean {
    const session = this.#session(headers);
    return session !== undefined && this.#proof.isSecret(session, secretIn(headers));
  }

  /** Returns the address by which a browser may download `path`, which has a query. Requires a session. */
  link(headers: IncomingHttpHeaders, path: string): string {
    return this.#proof.link(this.#session(headers) ?? "", path);
  }

  /** True if the request's cookie and address are those of a link. */
  hasLink(headers: IncomingHttpHeaders, url: string): boolean {
    const session = this.#session(headers);
    return session !== undefined && this.#proof.isLink(session, url);
  }

  /** Returns a session for the right token, once. */
  open(token: string): NewSession | undefined {
    return this.#token.use(token) ? this.#proof.create(this.#right, this.#place.scheme === "https") : undefined;
  }

  #session(headers: IncomingHttpHeaders): string | undefined {
    return this.#proof.session(headers.cookie, this.#right);
  }
}

/** Returns the secret of a request, or of a WebSocket, whose headers a page can't choose. */
function secretIn(headers: IncomingHttpHeaders): string {
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((each) => each.trim());
  const protocol = offered.find((each) => each.startsWith(SECRET_PROTOCOL));
  return protocol?.slice(SECRET_PROTOCOL.length) ?? `${headers[SECRET_HEADER] ?? ""}`;
}
