import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import { allRoutes } from "../../host/serve/route/all-routes.ts";
import { PageClient, postToken } from "../../host/serve/testing/page-client.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";
import { GUEST, ServedAgent } from "./testing/served-agent.ts";

describeInNamespaces("strangers at guestctl serve", () => {
  let served: ServedAgent;
  let link: URL;
  let page: PageClient;
  beforeAll(async () => {
    served = await ServedAgent.start();
    link = new URL((await served.serve()).link);
    page = await PageClient.open(link.href);
  });
  afterAll(() => served?.[Symbol.asyncDispose]());

  const PATHS = [
    "/api/me",
    "/api/boots",
    `/api/guests/${GUEST}/memory`,
    "/api/none",
    "/none",
    "/../package.json",
    "http://[/",
  ];

  /** Sends a request with these headers alone; resolves with everything that comes back. */
  async function ask(path: string, headers: Readonly<Record<string, string>>, method = "GET", socketPath?: string) {
    const place = socketPath === undefined ? { host: "127.0.0.1", port: link.port } : { socketPath };
    const asked = request({ ...place, path, method, headers, setHost: false });
    asked.end();
    const [response] = await once(asked, "response");
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    const { date, connection, "content-length": length, ...more } = response.headers;
    return { status: response.statusCode, body: Buffer.concat(chunks).toString(), more };
  }

  const NOTHING = { status: 403, body: "", more: {} };

  /** Resolves with the status that a WebSocket gets, 101 if it opens. */
  async function dial(headers: Readonly<Record<string, string>>, secret?: string): Promise<number> {
    const protocols = secret === undefined ? [] : [`guestd-page.${secret}`];
    const socket = new WebSocket(`ws://127.0.0.1:${link.port}/api/socket`, protocols, { headers });
    const [response] = await Promise.race([
      once(socket, "upgrade"),
      once(socket, "unexpected-response").then(([, it]) => [it]),
    ]);
    socket.on("error", () => undefined).terminate();
    return response.statusCode;
  }

  it.each(PATHS)("get 403 and nothing else for %s without a session", async (path) => {
    const { host } = link;
    expect(await ask(path, { host })).toEqual(NOTHING);
    expect(await ask(path, { host, cookie: `guestd-${link.port}=1.r.x`, "guestd-page": page.secret })).toEqual(NOTHING);
    expect(await ask(path, { host, cookie: page.cookie.replace(/\d/, "9") })).toEqual(NOTHING);
    expect(await ask(path, { host, origin: link.origin }, "POST")).toEqual(NOTHING);
  });

  it.each([
    ["a foreign Origin", { origin: "http://evil.example" }],
    ["the Origin of another port", { origin: "http://127.0.0.1:1" }],
    ["the Origin null", { origin: "null" }],
    ["a Host that was rebound to this address", { host: "evil.example" }],
    ["a Host and Origin that were rebound", { host: "evil.example", origin: "http://evil.example" }],
    ["a request that the browser says is of another site", { "sec-fetch-site": "cross-site" }],
    ["a request of another port of this host", { "sec-fetch-site": "same-site" }],
    ["the Host of another port", { host: "127.0.0.1:1" }],
  ])("get 403 and nothing else with a session but %s, for the page too", async (_, wrong) => {
    const headers = { host: link.host, cookie: page.cookie, ...wrong };
    expect(await ask("/api/me", { ...headers, "guestd-page": page.secret })).toEqual(NOTHING);
    expect(await ask("/", headers)).toEqual(NOTHING);
    expect(await dial({ origin: link.origin, ...headers }, page.secret)).toBe(403);
  });

  it("get no socket without a cookie or an Origin", async () => {
    const { host, origin } = link;
    const { cookie, secret } = page;
    expect(await dial({ host, origin }, secret)).toBe(403);
    expect(await dial({ host, cookie }, secret)).toBe(403);
    expect(await dial({ host, origin, cookie }, secret)).toBe(101);
  });

  it("who gets the cookie, as each port of the page's host does, can't replay it for any request or the socket", async () => {
    const { host, origin } = link;
    const replayed = { host, origin, cookie: page.cookie };
    for (const { method, path } of [...allRoutes, { method: "POST", path: "/api/links" }]) {
      const place = path.replace(":guest", GUEST).replace(/:\w+/g, "any");
      expect(await ask(place, replayed, method)).toEqual(NOTHING);
      expect(await ask(`${place}?path=/&until=9999999999999&proof=${"x".repeat(43)}`, replayed, method)).toEqual(
        NOTHING,
      );
    }
    expect(await dial(replayed)).toBe(403);
    expect(await dial(replayed, page.cookie.split(".").at(-1))).toBe(403);
  });

  it("a link for a download opens its own address alone, with the cookie", async () => {
    const { host } = link;
    const path = `/api/guests/${GUEST}/containers/none/file?path=/x`;
    const { href } = await page.post<{ href: string }>("/api/links", { path });
    expect((await ask(href, { host, cookie: page.cookie })).status).not.toBe(403);
    expect(await ask(href, { host })).toEqual(NOTHING);
    expect(await ask(href.replace("path=/x", "path=/y"), { host, cookie: page.cookie })).toEqual(NOTHING);
    expect(await ask(href, { host, cookie: page.cookie, origin: link.origin }, "PUT")).toEqual(NOTHING);
    expect((await page.request("/api/links", { method: "POST", body: '{"path":"/etc?x"}' })).status).toBe(400);
  });

  it("the page has an address of its own, unless another is given", async () => {
    const { link: own } = await served.serve([], "0");
    const { hostname } = new URL(own);
    expect(hostname).toMatch(/^127\.[1-9]\d*\.\d+\.\d+$/);
    expect(new URL((await served.serve([], "0")).link).hostname).toBe(hostname);
    expect((await PageClient.open(own)).origin).toBe(new URL(own).origin);
    expect(new URL((await served.serve([], "localhost:0")).link).hostname).toBe("127.0.0.1");
  });

  it("can't use the token again, nor guess it, and the page's files need none", async () => {
    for (const token of [link.hash.slice(1), "", "x".repeat(43), "x".repeat(1000)]) {
      const response = await postToken(link.origin, token);
      expect([response.status, await response.text(), response.headers.get("set-cookie")]).toEqual([403, "", null]);
    }
    const front = await ask("/", { host: link.host });
    expect([200, 503]).toContain(front.status);
    expect(front.more["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
    const set = (await ask("/", { host: link.host })).more["set-cookie"];
    expect(set).toBeUndefined();
  });

  it("see that the cookie can't be read by scripts or sent from other sites", async () => {
    const { link: another } = await served.serve();
    const { origin, hash } = new URL(another);
    const response = await postToken(origin, hash.slice(1));
    expect(response.headers.get("set-cookie")).toMatch(
      /^guestd-\d+=\d+\.r\.[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/; Max-Age=\d+$/,
    );
  });

  it("a page without --allow-exec is refused whatever writes, runs or kills, in one line", async () => {
    const base = `/api/guests/${GUEST}`;
    const line = { error: "read-only: start guestctl serve with --allow-exec to run, write and kill" };
    for (const [method, path] of [
      ["POST", `${base}/actions`],
      ["POST", `${base}/containers/any/actions`],
      ["PUT", `${base}/containers/any/file?path=/x`],
      ["POST", "/api/templates/any/actions"],
    ] as const) {
      const response = await page.request(path, { method, body: JSON.stringify({ action: "stop" }) });
      expect([response.status, await response.json()]).toEqual([403, line]);
    }
    using socket = await page.socket();
    const shell = { kind: "terminal", guest: GUEST, container: "any", exec: "x-any", cols: 80, rows: 24 } as const;
    expect(await socket.open({ ...shell, command: ["sh"] }).ended()).toBe(line.error);
    const { link: executing } = await served.serve(["--allow-exec"]);
    const { cookie, secret } = page;
    const headers = { cookie, "guestd-page": secret };
    const response = await fetch(`${new URL(executing).origin}/api/me`, { headers });
    expect(response.status).toBe(403); // a session that may only look stays so
  });

  it("300 connections with half a request keep nobody out, and nobody with a session is dropped for them", async () => {
    using socket = await page.socket();
    const sockets: Socket[] = [];
    const half = async () => {
      const stranger = connect(Number(link.port), "127.0.0.1").on("error", () => undefined);
      sockets.push(stranger);
      await Promise.race([once(stranger, "connect"), once(stranger, "close")]);
      stranger.write(`GET / HTTP/1.1\r\nHost: ${link.host}\r\nX: `);
    };
    try {
      for (let count = 0; count < 300; count++) await half();
      expect(await page.get("/api/me")).toMatchObject({ allowExec: false });
      expect((await ask("/", { host: link.host })).status).not.toBe(403);
      await Promise.all(Array.from({ length: 100 }, half));
      using another = await page.socket();
      const guests = [socket, another].map((each) => each.open({ kind: "guests" }));
      for (const channel of guests) {
        await channel.until((message) => ("whole" in message ? true : undefined));
      }
    } finally {
      for (const stranger of sockets) stranger.destroy();
    }
  });

  it("a page that breaks the socket's protocol loses it", async () => {
    for (const wrong of ["no json", "[]", '{"open":0}', '{"open":"1","kind":"guests"}', Buffer.alloc(3)]) {
      const { socket } = await page.socket();
      socket.send(wrong);
      const [code] = await once(socket, "close");
      expect(code).toBe(1002);
    }
    using socket = await page.socket();
    const kinds = [{ kind: "none" }, { kind: "logs", guest: "none" }, { kind: "terminal", guest: GUEST }] as const;
    for (const wrong of kinds) expect(await socket.open(wrong as never).ended()).toMatch(/^\S.*$/);
    const { socket: large } = await page.socket();
    large.send(`{"open":1,"kind":"${"x".repeat(200_000)}"}`);
    const [code] = await once(large, "close");
    expect(code).toBe(1009);
  });

  it("serves a unix socket for a proxy, under the proxy's name", async () => {
    const path = join(served.machine.directory, "page.sock");
    const { link: public_ } = await served.serve(["--origin", "https://guests.example.org"], `unix:${path}`);
    expect(public_).toMatch(/^https:\/\/guests\.example\.org\/#[\w-]{43}$/);
    expect((await ask("/", { host: "guests.example.org" }, "GET", path)).status).not.toBe(403);
    expect(await ask("/", { host: "localhost" }, "GET", path)).toEqual(NOTHING);
    const { host } = link;
    expect(await ask("/api/me", { host }, "GET", path)).toEqual(NOTHING);
  });

  it("a server that can't start says why in one line: a place of others, a port in use, a damaged key", async () => {
    const refusal = async (flags: readonly string[], runtime = served.env.XDG_RUNTIME_DIR) => {
      const { ended, output } = startGuestctl(["serve", ...flags], { env: { XDG_RUNTIME_DIR: runtime } });
      return [await ended, output.stderr];
    };
    const damaged = join(served.machine.directory, "damaged");
    const folder = join(damaged, `guestd-${process.geteuid?.()}`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(damaged, 0o700);
    writeFileSync(join(folder, ".serve-key"), "{}");
    expect(
      await Promise.all([
        refusal(["--listen", "0.0.0.0:4878"]),
        refusal(["--listen", `127.0.0.1:${link.port}`]),
        refusal(["--listen", "127.0.0.1:0"], damaged),
        refusal(["--origin", "https://example.org/page"]),
      ]),
    ).toEqual([
      [
        expect.any(Number),
        expect.stringMatching(/0\.0\.0\.0 can be reached by others, without encryption: use unix:PATH/),
      ],
      [
        1,
        expect.stringMatching(
          /^guestctl: serve: listen on 127\.0\.0\.1:\d+: .*EADDRINUSE.*; choose another with --listen/,
        ),
      ],
      [1, expect.stringMatching(/^guestctl: \S+\/\.serve-key: the record is damaged; remove the file\n$/)],
      [expect.any(Number), expect.stringMatching(/Expected an address such as https:\/\/guests\.example\.org/)],
    ]);
  });
});
