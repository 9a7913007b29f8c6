import { createHmac, timingSafeEqual } from "node:crypto";

const SESSION_MS = 7 * 24 * 3600 * 1000;
const LINK_MS = 60_000;
const MAC = "[A-Za-z0-9_-]{43}";
const VALUE = new RegExp(`^(\\d{1,15})\\.([rx])\\.(${MAC})$`);
const LINK = new RegExp(`^(.*)&until=(\\d{1,15})&proof=(${MAC})$`);

/** Rights of a session: to look, or also to run, write and kill. */
export type Right = "r" | "x";

/** Both halves of a session. The cookie goes to every port of the host's name, the secret only where the page sends it. */
export interface NewSession {
  /** Set-Cookie header. */
  readonly cookie: string;
  readonly secret: string;
}

/**
 * Makes and checks the proofs of sessions under one name of cookie. All of them prove themselves by the key, so that sessions
 * survive a restart of the server, and those of another name are not valid.
 */
export class SessionProof {
  readonly #key: Buffer;
  readonly #name: string;

  constructor(key: Buffer, name: string) {
    this.#key = key;
    this.#name = name;
  }

  /** Returns a new session; `isSecure` is for https. */
  create(right: Right, isSecure: boolean, now = Date.now()): NewSession {
    const content = `${now + SESSION_MS}.${right}`;
    const attributes = `HttpOnly; SameSite=Strict; Path=/; Max-Age=${SESSION_MS / 1000}${isSecure ? "; Secure" : ""}`;
    const cookie = `${this.#name}=${content}.${this.#mac("cookie", content)}; ${attributes}`;
    return { cookie, secret: this.#mac("page", content) };
  }

  /**
   * Returns the session of a Cookie header, which alone permits nothing; undefined without one that may do what the server
   * permits: one that only looks may not run.
   */
  session(header: string | undefined, needed: Right, now = Date.now()): string | undefined {
    const prefix = `${this.#name}=`;
    for (const each of (header ?? "").split(";").map((text) => text.trim())) {
      if (!each.startsWith(prefix)) continue;
      const [, expiry = "", right = "", mac = ""] = VALUE.exec(each.slice(prefix.length)) ?? [];
      const content = `${expiry}.${right}`;
      if (mac === "" || !isSame(mac, this.#mac("cookie", content))) continue;
      if (Number(expiry) > now && (right === "x" || needed === "r")) return content;
    }
    return undefined;
  }

  /** True if this is the page's secret of the session. */
  isSecret(session: string, secret: string): boolean {
    return isSame(secret, this.#mac("page", session));
  }

  /** Returns an address with a query, such as that of a file, that the session's cookie alone opens for a minute. */
  link(session: string, path: string, now = Date.now()): string {
    const dated = `${path}&until=${now + LINK_MS}`;
    return `${dated}&proof=${this.#mac("link", session, dated)}`;
  }

  isLink(session: string, link: string, now = Date.now()): boolean {
    const [, path = "", until = "", mac = ""] = LINK.exec(link) ?? [];
    return isSame(mac, this.#mac("link", session, `${path}&until=${until}`)) && Number(until) > now;
  }

  #mac(...parts: readonly string[]): string {
    return createHmac("sha256", this.#key)
      .update([this.#name, ...parts].join("\n"))
      .digest("base64url");
  }
}

function isSame(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
