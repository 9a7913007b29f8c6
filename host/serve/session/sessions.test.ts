import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isAllowedRequest, placeOf } from "./allowed-request.ts";
import { OneTimeToken } from "./one-time-token.ts";
import { hasSession, sessionCookie } from "./session-cookie.ts";
import { sessionKey } from "./session-key.ts";
import { Sessions } from "./sessions.ts";

const KEY = Buffer.alloc(32, 1);
const DAY_MS = 24 * 3600 * 1000;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "serve-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function pairOf(header: string): string {
  return header.split(";")[0] ?? "";
}

test("a token is right once", () => {
  const token = new OneTimeToken();
  expect(token.use("wrong")).toBe(false);
  expect(token.use(token.text)).toBe(true);
  expect(token.use(token.text)).toBe(false);
  expect(new OneTimeToken().text).not.toBe(token.text);
});

test("a cookie is valid for a week, with its key, unchanged, among others", () => {
  const cookie = pairOf(sessionCookie(KEY, "r", false));
  expect(hasSession(KEY, `other=1; ${cookie}; more=2`, "r")).toBe(true);
  expect(hasSession(KEY, cookie, "r", Date.now() + 6.9 * DAY_MS)).toBe(true);
  expect(hasSession(KEY, cookie, "r", Date.now() + 7.1 * DAY_MS)).toBe(false);
  expect(hasSession(Buffer.alloc(32, 2), cookie, "r")).toBe(false);
  for (const wrong of [undefined, "", "guestd", "guestd=", `x${cookie}`, cookie.slice(0, -1), `${cookie}a`]) {
    expect(hasSession(KEY, wrong, "r")).toBe(false);
  }
});

test("a session that may only look can't be used or changed to run", () => {
  const looking = pairOf(sessionCookie(KEY, "r", false));
  expect(hasSession(KEY, looking, "x")).toBe(false);
  expect(hasSession(KEY, looking.replace(".r.", ".x."), "x")).toBe(false);
  expect(hasSession(KEY, pairOf(sessionCookie(KEY, "x", false)), "x")).toBe(true);
  expect(hasSession(KEY, pairOf(sessionCookie(KEY, "x", false)), "r")).toBe(true);
});

test("a session is opened by the token alone, and its cookie is secure behind TLS", () => {
  const sessions = new Sessions({ scheme: "https", hosts: ["page.example"] }, KEY, true);
  expect(sessions.open("wrong")).toBeUndefined();
  const cookie = sessions.open(sessions.token);
  expect(cookie).toMatch(/; HttpOnly; SameSite=Strict; Path=\/; Max-Age=604800; Secure$/);
  expect(sessions.has({ cookie: pairOf(cookie ?? "") })).toBe(true);
  expect(sessions.open(sessions.token)).toBeUndefined();
});

test("the key is created once, for this user alone, and a damaged one is refused", () => {
  const key = sessionKey(folder);
  expect(sessionKey(folder)).toEqual(key);
  expect(statSync(join(folder, ".serve-key")).mode & 0o777).toBe(0o600);
  writeFileSync(join(folder, ".serve-key"), '{"key":"short"}');
  expect(() => sessionKey(folder)).toThrow(/^\S*serve-key: the record is damaged; remove the file$/);
});

test("names of the server depend on where it listens", () => {
  expect(placeOf({ port: 1 }, undefined).hosts).toEqual(["127.0.0.1:1", "localhost:1"]);
  expect(placeOf({ host: "::1", port: 80 }, undefined).hosts).toEqual(["[::1]", "localhost"]);
  expect(placeOf({ path: "/s" }, undefined)).toEqual({ scheme: "http", hosts: ["localhost"] });
  const behind = { scheme: "https", hosts: ["a.example:8443"] };
  expect(placeOf({ path: "/s" }, new URL("https://a.example:8443"))).toEqual(behind);
});

const OWN = { host: "localhost:1" };
const LINKED = { ...OWN, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

test.each([
  [OWN, "read", true],
  [OWN, "write", false],
  [{ ...OWN, origin: "http://localhost:1" }, "write", true],
  [{ ...OWN, origin: "http://127.0.0.1:1" }, "write", false],
  [{ ...OWN, origin: "https://localhost:1" }, "write", false],
  [{ host: "LOCALHOST:1" }, "read", false],
  [{ host: "evil.example:1" }, "page", false],
  [{}, "page", false],
  [{ ...OWN, "sec-fetch-site": "none" }, "read", true],
  [{ ...OWN, "sec-fetch-site": "same-site" }, "read", false],
  [LINKED, "page", true],
  [LINKED, "read", false],
  [{ ...LINKED, "sec-fetch-dest": "iframe" }, "page", false],
  [{ ...LINKED, host: "evil.example:1" }, "page", false],
] as const)("a request with %j to %s is allowed: %s", (headers, kind, isAllowed) => {
  expect(isAllowedRequest(placeOf({ port: 1 }, undefined), headers, kind)).toBe(isAllowed);
});
