import type { ServerResponse } from "node:http";
import type { LookupFunction } from "node:net";
import { describe, expect, test } from "vitest";
import { addressKind } from "./address-kind.ts";
import { parseImageReference } from "./image-reference.ts";
import { Reachable } from "./reachable.ts";
import { RegistryClient } from "./registry-client.ts";
import { type Handler, startRegistry, type TestRegistry } from "./testing/registry.ts";

const options = { httpsProxy: "", noProxy: "", plainHttp: false, signal: new AbortController().signal };

async function get(registry: TestRegistry, path: string): Promise<string> {
  const client = new RegistryClient(parseImageReference(`${registry.host}/test/image:1`), options);
  try {
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await client.get(path, ["*/*"])) as AsyncIterable<Uint8Array>) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  } finally {
    client.close();
  }
}

/** Requires a token from itself. `realm` is the token URL it names. */
function wantsToken(registry: TestRegistry, realm = `http://${registry.host}/token`): Handler {
  return (request, response, url) => {
    if (url.pathname === "/token") {
      response.end(JSON.stringify({ token: `t-${url.searchParams.get("scope")}` }));
      return true;
    }
    if (request.headers.authorization === "Bearer t-repository:test/image:pull") return undefined;
    const challenge = `Bearer realm="${realm}",service="reg",scope="repository:test/image:pull"`;
    response.writeHead(401, { "www-authenticate": challenge }).end();
    return true;
  };
}

test("a token is requested once, from the URL that the registry names, and sent from then on", async () => {
  await using registry = await startRegistry();
  registry.put(Buffer.from("content"), "1");
  registry.handler = wantsToken(registry);
  const client = new RegistryClient(parseImageReference(`${registry.host}/test/image:1`), options);
  for (let times = 0; times < 2; times++) (await client.get("manifests/1", ["*/*"])).resume();
  client.close();
  const token = "Bearer t-repository:test/image:pull";
  expect(registry.requests).toEqual([
    "GET /v2/test/image/manifests/1",
    "GET /token?service=reg&scope=repository%3Atest%2Fimage%3Apull",
    `GET /v2/test/image/manifests/1 ${token}`,
    `GET /v2/test/image/manifests/1 ${token}`,
  ]);
});

test("a token is not sent to another host after a redirect, and errors leave out the query", async () => {
  await using registry = await startRegistry();
  await using other = await startRegistry();
  const digest = other.put(Buffer.from("content"));
  const token = wantsToken(registry);
  const leads =
    (to: string): Handler =>
    (request, response, url) => {
      if (token(request, response, url) === true) return true;
      response.writeHead(307, { location: to }).end();
      return true;
    };
  registry.handler = leads(`http://${other.host}/v2/test/image/blobs/${digest}?signature=secret`);
  expect(await get(registry, `blobs/${digest}`)).toBe("content");
  expect(other.requests).toEqual([`GET /v2/test/image/blobs/${digest}?signature=secret`]);
  registry.handler = leads("/again?secret");
  await expect(get(registry, "manifests/1")).rejects.toThrow(/^GET \S+\/manifests\/1: more than 5 redirects$/);
  registry.handler = leads("http://registry.invalid/x?secret");
  await expect(get(registry, "manifests/1")).rejects.toThrow(
    "GET http://registry.invalid/x: plain http is only for loopback, unless the option plain-http is set",
  );
  registry.handler = leads("file:///etc/passwd");
  await expect(get(registry, "manifests/1")).rejects.toThrow("plain http is only");
});

test("a token URL on another host must be https", async () => {
  await using registry = await startRegistry();
  registry.handler = wantsToken(registry, "http://registry.invalid/token");
  await expect(get(registry, "manifests/1")).rejects.toThrow(
    "GET http://registry.invalid/token: a token server at plain http is only for a registry at plain http on the same host",
  );
});

test.each([
  ['Basic realm="x"', "401, the registry accepts a login with basic; guestd supports only anonymous tokens"],
  [undefined, "401, the registry accepts no client; guestd supports only anonymous tokens"],
  ['Bearer realm="/relative"', "401, the registry accepts a login with bearer"],
])("a registry that wants %s is reported in one line", async (challenge, why) => {
  await using registry = await startRegistry();
  registry.handler = (_request, response) => {
    response.writeHead(401, challenge === undefined ? {} : { "www-authenticate": challenge }).end();
    return true;
  };
  await expect(get(registry, "manifests/1")).rejects.toMatchObject({
    kind: "permission-denied",
    message: expect.stringContaining(why),
  });
});

test.each(["{}", "not JSON", '{"token": "a\\nb"}', '{"token": 1}', "x".repeat(100_000)])(
  "an answer without a token (%.20s) is an error",
  async (answer) => {
    await using registry = await startRegistry();
    const usual = wantsToken(registry);
    registry.handler = (request, response, url) => {
      if (url.pathname !== "/token") return usual(request, response, url);
      response.end(answer);
      return true;
    };
    await expect(get(registry, "manifests/1")).rejects.toThrow("the response has no token");
  },
);

test("a refused token is not requested again", async () => {
  await using registry = await startRegistry();
  const usual = wantsToken(registry);
  registry.handler = (request, response, url) => {
    if (url.pathname === "/token") return usual(request, response, url);
    response.writeHead(401, { "www-authenticate": `Bearer realm="http://${registry.host}/token"` });
    response.end(JSON.stringify({ errors: [{ code: "DENIED", message: "not\nfor you" }] }));
    return true;
  };
  await expect(get(registry, "manifests/1")).rejects.toThrow(/manifests\/1: 401 \(DENIED not for you\)$/);
  expect(registry.requests).toHaveLength(3);
});

test("a request is repeated while the registry is busy or hangs up", async () => {
  await using registry = await startRegistry();
  registry.put(Buffer.from("content"), "1");
  const ends: ((response: ServerResponse) => void)[] = [
    (response) => void response.writeHead(503, { "retry-after": "soon" }).end(),
    (response) => void response.destroy(),
  ];
  registry.handler = (_request, response) => {
    const end = ends.shift();
    end?.(response);
    return end === undefined ? undefined : true;
  };
  expect(await get(registry, "manifests/1")).toBe("content");
  expect(registry.requests).toHaveLength(3);
});

const login = { username: "me", password: "pass:word" };
const BASIC = `Basic ${Buffer.from("me:pass:word").toString("base64")}`;

async function getWithLogin(registry: TestRegistry, findLogin: () => Promise<typeof login | undefined>) {
  const client = new RegistryClient(parseImageReference(`${registry.host}/test/image:1`), { ...options, findLogin });
  try {
    (await client.get("manifests/1", ["*/*"])).resume();
  } finally {
    client.close();
  }
}

test("a login is sent to the token server and not to the registry", async () => {
  await using registry = await startRegistry();
  registry.put(Buffer.from("content"), "1");
  registry.handler = wantsToken(registry);
  await getWithLogin(registry, async () => login);
  expect(registry.requests).toEqual([
    "GET /v2/test/image/manifests/1",
    `GET /token?service=reg&scope=repository%3Atest%2Fimage%3Apull ${BASIC}`,
    "GET /v2/test/image/manifests/1 Bearer t-repository:test/image:pull",
  ]);
});

test("a login is sent to a registry that accepts basic, after its challenge", async () => {
  await using registry = await startRegistry();
  registry.put(Buffer.from("content"), "1");
  registry.handler = (request, response) => {
    if (request.headers.authorization === BASIC) return undefined;
    response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    return true;
  };
  await getWithLogin(registry, async () => login);
  expect(registry.requests).toEqual(["GET /v2/test/image/manifests/1", `GET /v2/test/image/manifests/1 ${BASIC}`]);
  await expect(getWithLogin(registry, async () => undefined)).rejects.toThrow(
    `401, the registry accepts a login with basic; there are no credentials for it; docker login ${registry.host}`,
  );
});

test("a login isn't looked up for a registry that requires none", async () => {
  await using registry = await startRegistry();
  registry.put(Buffer.from("content"), "1");
  await getWithLogin(registry, () => Promise.reject(new Error("looked up")));
  expect(registry.requests).toEqual(["GET /v2/test/image/manifests/1"]);
});

describe("a registry on the network", () => {
  const login = async () => ({ username: "me", password: "secret" });
  /** 127.0.0.1 counts as an address on the network, and names ending in .example have the address in front of it. */
  const network = {
    kindOf: (address: string) => (address === "127.0.0.1" ? "public" : addressKind(address)),
    lookup: ((name, { all }, found) => {
      const address = name.replace(/\.example$/, "").replaceAll("-", ".");
      setImmediate(() => (all ? found(null, [{ address, family: 4 }]) : found(null, address, 4)));
    }) satisfies LookupFunction as LookupFunction,
  };

  async function pull(registry: TestRegistry, name = registry.host): Promise<void> {
    const all = { ...options, plainHttp: true, network, findLogin: login };
    const client = new RegistryClient(parseImageReference(`${name}/test/image:1`), all);
    try {
      (await client.get("manifests/1", ["*/*"])).resume();
    } finally {
      client.close();
    }
  }

  const places = ["127.0.0.2", "0.0.0.0", "[::1]", "169.254.169.254", "10.0.2.2", "[::ffff:10.0.0.1]"];

  test.each(places.flatMap((host) => [`https://${host}:1/any`, `http://${host}:1/any`]))(
    "can't have the login sent, or a request made, to %s",
    async (place) => {
      await using registry = await startRegistry();
      registry.handler = wantsToken(registry, place);
      await expect(pull(registry)).rejects.toThrow(
        /^GET \S+: (a token server at plain http|\S+ leads to the \S+ address)/,
      );
      registry.handler = (_request, response) => {
        response.writeHead(307, { location: place }).end();
        return true;
      };
      await expect(pull(registry)).rejects.toThrow(/^GET \S+: \S+ leads to the \S+ address/);
    },
  );

  test("can't reach them by a name either, while one inside may lead to its own network", async () => {
    await using registry = await startRegistry();
    const [, port] = registry.host.split(":");
    registry.handler = wantsToken(registry, "https://127-0-0-2.example:1/token");
    await expect(pull(registry)).rejects.toThrow("leads to the loopback address 127.0.0.2");
    await expect(pull(registry, `127-0-0-1.example:${port}`)).rejects.toThrow(
      "leads to the loopback address 127.0.0.2",
    );
    registry.handler = wantsToken(registry, "https://10-0-0-1.example:1/token");
    await expect(pull(registry)).rejects.toThrow("leads to the private address 10.0.0.1");
    expect(registry.requests.filter((line) => line.includes("Basic"))).toEqual([]);
    const inside = new Reachable("10-0-0-7.example", { ...network, kindOf: addressKind });
    const resolved = (name: string) =>
      new Promise((resolve) => inside.lookup(name)(name, { all: false }, (error) => resolve(error?.message)));
    expect(await resolved("10-0-0-7.example")).toBeUndefined();
    expect(await resolved("192-168-1-1.example")).toBeUndefined();
    expect(await resolved("127-0-0-1.example")).toContain("the loopback address");
    expect(await resolved("169-254-169-254.example")).toContain("the link-local address");
  });

  test.each([
    ["public first", [["8.8.8.8"], ["127.0.0.1"]]],
    ["loopback first", [["127.0.0.1"], ["8.8.8.8"]]],
    ["both at once", [["8.8.8.8", "127.0.0.1"]]],
    ["link-local besides", [["8.8.8.8", "169.254.169.254"]]],
    ["private first", [["10.0.0.7"], ["8.8.8.8"]]],
  ])("isn't inside because its own name has addresses there, too: %s", async (_, answers) => {
    const names = new Map([["home", [...answers]]]);
    const lookup = ((name, _options, found) => {
      const addresses = names.get(name)?.shift() ?? [name.replace(/\.example$/, "").replaceAll("-", ".")];
      setImmediate(() =>
        found(
          null,
          addresses.map((address) => ({ address, family: 4 })),
        ),
      );
    }) satisfies LookupFunction as LookupFunction;
    const reachable = new Reachable("home", { kindOf: addressKind, lookup });
    const resolved = (name: string) =>
      new Promise((resolve) => reachable.lookup(name)(name, { all: true }, (error) => resolve(error?.message)));
    for (const _answer of answers) await resolved("home");
    expect(await resolved("127-0-0-1.example")).toContain("home leads to the loopback address");
    expect(await resolved("169-254-169-254.example")).toContain("home leads to the link-local address");
    expect(await resolved("10-0-0-1.example")).toContain("home leads to the private address");
  });
});
