import type { IncomingHttpHeaders } from "node:http";
import { type AllowedPlace, isAllowedRequest, type RequestKind } from "./allowed-request.ts";
import { OneTimeToken } from "./one-time-token.ts";
import { hasSession, type Right, sessionCookie } from "./session-cookie.ts";

/** Who may talk to the server: the page that was opened by its link, and no other. */
export class Sessions {
  readonly #place: AllowedPlace;
  readonly #key: Buffer;
  readonly #right: Right;
  readonly #token = new OneTimeToken();

  constructor(place: AllowedPlace, key: Buffer, allowExec: boolean) {
    this.#place = place;
    this.#key = key;
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

  has(headers: IncomingHttpHeaders): boolean {
    return hasSession(this.#key, headers.cookie, this.#right);
  }

  /** Returns the Set-Cookie header for the right token, once. */
  open(token: string): string | undefined {
    return this.#token.use(token) ? sessionCookie(this.#key, this.#right, this.#place.scheme === "https") : undefined;
  }
}
