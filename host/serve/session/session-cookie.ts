import { createHmac, timingSafeEqual } from "node:crypto";

/** Name of the cookie. */
const COOKIE = "guestd";
const SESSION_MS = 7 * 24 * 3600 * 1000;
const VALUE = /^(\d{1,15})\.([rx])\.([A-Za-z0-9_-]{43})$/;

/** Rights of a session: to look, or also to run, write and kill. */
export type Right = "r" | "x";

/**
 * Returns the Set-Cookie header of a new session. The cookie proves itself by the key, so that sessions survive a restart of
 * the server. `isSecure` is for https.
 */
export function sessionCookie(key: Buffer, right: Right, isSecure: boolean, now = Date.now()): string {
  const content = `${now + SESSION_MS}.${right}`;
  const attributes = `HttpOnly; SameSite=Strict; Path=/; Max-Age=${SESSION_MS / 1000}${isSecure ? "; Secure" : ""}`;
  return `${COOKIE}=${content}.${signature(key, content)}; ${attributes}`;
}

/** True if a Cookie header has a session that may do what the server permits: one that only looks may not run. */
export function hasSession(key: Buffer, header: string | undefined, needed: Right, now = Date.now()): boolean {
  const values = (header ?? "").split(";").map((each) => each.trim());
  return values.some((each) => {
    const [, expiry = "", right = "", mac = ""] = VALUE.exec(each.slice(`${COOKIE}=`.length)) ?? [];
    if (!each.startsWith(`${COOKIE}=`) || mac === "") return false;
    const expected = Buffer.from(signature(key, `${expiry}.${right}`));
    return timingSafeEqual(expected, Buffer.from(mac)) && Number(expiry) > now && (right === "x" || needed === "r");
  });
}

function signature(key: Buffer, content: string): string {
  return createHmac("sha256", key).update(content).digest("base64url");
}
