import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isAllowedRequest, placeOf } from "./allowed-request.ts";
import { OneTimeToken } from "./one-time-token.ts";
import { ownAddress } from "./own-address.ts";
import { sessionKey } from "./session-key.ts";
import { SessionProof } from "./session-proof.ts";
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

const proof = new SessionProof(KEY, "guestd-1");

test("a cookie is valid for a week, with its key and name, unchanged, among others", () => {
  const cookie = pairOf(proof.create("r", false).cookie);
  expect(proof.session(`other=1; ${cookie}; more=2`, "r")).toMatch(/^\d+\.r$/);
  expect(proof.session(cookie, "r", Date.now() + 6.9 * DAY_MS)).toMatch(/^\d+\.r$/);
  expect(proof.session(cookie, "r", Date.now() + 7.1 * DAY_MS)).toBeUndefined();
  expect(new SessionProof(Buffer.alloc(32, 2), "guestd-1").session(cookie, "r")).toBeUndefined();
  const renamed = cookie.replace("guestd-1=", "guestd-2=");
  expect(new SessionProof(KEY, "guestd-2").session(renamed, "r")).toBeUndefined();
  for (const wrong of [undefined, "", "guestd-1", "guestd-1=", `x${cookie}`, cookie.slice(0, -1), `${cookie}a`]) {
    expect(proof.session(wrong, "r")).toBeUndefined();
  }
});

test("a session that may only look can't be used or changed to run", () => {
  const looking = pairOf(proof.create("r", false).cookie);
  expect(proof.session(looking, "x")).toBeUndefined();
  expect(proof.session(looking.replace(".r.", ".x."), "x")).toBeUndefined();
  const running = pairOf(proof.create("x", false).cookie);
  expect(proof.session(running, "x")).toMatch(/\.x$/);
  expect(proof.session(running, "r")).toMatch(/\.x$/);
});

test("a session is opened by the token alone, and its cookie is secure behind TLS", () => {
  const sessions = new Sessions({ scheme: "https", hosts: ["page.example"] }, KEY, true);
  expect(sessions.open("wrong")).toBeUndefined();
  const opened = sessions.open(sessions.token);
  expect(opened?.cookie).toMatch(/^guestd=.*; HttpOnly; SameSite=Strict; Path=\/; Max-Age=604800; Secure$/);
  expect(sessions.open(sessions.token)).toBeUndefined();
});

test("a session has two halves, of which neither is enough, and the other can't be made from it", () => {
  const sessions = new Sessions(placeOf({ port: 1 }, undefined), KEY, true);
  const { cookie: header = "", secret = "" } = sessions.open(sessions.token) ?? {};
  const cookie = pairOf(header);
  expect(sessions.has({ cookie, "guestd-page": secret })).toBe(true);
  expect(sessions.has({ cookie, "sec-websocket-protocol": `guestd-page.${secret}` })).toBe(true);
  const [, mac = ""] = /([^.]+)$/.exec(cookie) ?? [];
  for (const wrong of ["", mac, secret.slice(1), `${secret}x`]) {
    expect(sessions.has({ cookie, "guestd-page": wrong })).toBe(false);
    expect(sessions.has({ cookie, "sec-websocket-protocol": `guestd-page.${wrong}` })).toBe(false);
  }
  expect(sessions.has({ cookie })).toBe(false);
  expect(sessions.has({ "guestd-page": secret })).toBe(false);
  const another = proof.create("x", false, Date.now() + 1).secret;
  expect(sessions.has({ cookie, "guestd-page": another })).toBe(false);
});

test("a link is good for its own address, its session and a minute", () => {
  const [path, session] = ["/api/guests/g/containers/c/file?path=%2Fx", "1.r"];
  const link = proof.link(session, path);
  expect(link.startsWith(`${path}&until=`)).toBe(true);
  expect(proof.isLink(session, link)).toBe(true);
  expect(proof.isLink(session, link, Date.now() + 61_000)).toBe(false);
  expect(proof.isLink("1.x", link)).toBe(false);
  for (const wrong of [path, link.replace("%2Fx", "%2Fy"), link.replace("until=", "until=9"), link.slice(0, -1)]) {
    expect(proof.isLink(session, wrong)).toBe(false);
  }
});

test("the page's address is this user's own, and not the one to which guests are led", () => {
  for (let first = 0; first < 256; first++) {
    const [net, a, b, c] = ownAddress(Buffer.alloc(32, first)).split(".").map(Number);
    expect([net, [a, b, c].every((byte) => byte !== undefined && byte >= 0 && byte < 256)]).toEqual([127, true]);
    expect([a, c]).not.toContain(0);
  }
  expect(ownAddress(KEY)).toBe(ownAddress(KEY));
  expect(ownAddress(KEY)).not.toBe(ownAddress(Buffer.alloc(32, 2)));
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
