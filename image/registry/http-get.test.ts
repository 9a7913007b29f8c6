import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HttpClient, isLoopback } from "./http-get.ts";
import { type SecureRegistry, startSecureRegistry } from "./testing/secure-registry.ts";

const HOST = "registry.test";
const usual = getCACertificates("default");
let registry: SecureRegistry;

beforeEach(async () => {
  registry = await startSecureRegistry(HOST);
});
afterEach(async () => {
  setDefaultCACertificates(usual);
  await registry[Symbol.asyncDispose]();
});

async function get(url: string, noProxy = ""): Promise<string> {
  const signal = AbortSignal.timeout(50_000);
  const client = new HttpClient(new URL(url), { httpsProxy: registry.proxy, noProxy, plainHttp: false, signal });
  try {
    const answer = await client.get(new URL(url), {});
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer as AsyncIterable<Uint8Array>) chunks.push(chunk);
    return `${answer.statusCode} ${Buffer.concat(chunks)}`;
  } finally {
    client.close();
  }
}

test("an https request goes through the proxy to a host with a valid certificate", async () => {
  registry.files.set("/a?b", Buffer.from("text"));
  setDefaultCACertificates([registry.certificate]);
  expect(await get(`https://${HOST}/a?b`)).toBe("200 text");
  expect(registry.asked).toEqual([`${HOST}:443`]);
});

test("a certificate that is self-signed, or for another host, is refused", async () => {
  await expect(get(`https://${HOST}/a`)).rejects.toThrow(`GET https://${HOST}/a: self-signed certificate`);
  setDefaultCACertificates([registry.certificate]);
  await expect(get("https://other.test/a")).rejects.toThrow(/^GET https:\/\/other.test\/a: .*altnames/);
  await expect(get("https://192.0.2.1/a")).rejects.toThrow(/^GET https:\/\/192.0.2.1\/a: .*altnames/);
});

test.each(["proxy:3128", "not a URL", "socks5://proxy:1080"])(
  "refuses the proxy %s instead of connecting without one",
  (httpsProxy) => {
    const signal = AbortSignal.timeout(50_000);
    expect(
      () => new HttpClient(new URL(`https://${HOST}`), { httpsProxy, noProxy: "", plainHttp: false, signal }),
    ).toThrow("https_proxy is not a URL, write it as http://HOST:PORT");
  },
);

test("hosts in no_proxy are reached without the proxy", async () => {
  await expect(get(`https://${HOST}/a`, `x.test,${HOST}`)).rejects.toThrow(`GET https://${HOST}/a: getaddrinfo`);
  expect(registry.asked).toEqual([]);
});

test.each(["127.0.0.1", "127.255.0.1", "localhost", "[::1]"])("%s counts as loopback", (host) => {
  expect(isLoopback(new URL(`http://${host}:1/`).hostname)).toBe(true);
});

test.each(["128.0.0.1", "127.0.0.1.example", "localhost.example", "0.0.0.0", "[::2]", "[::ffff:127.0.0.1]"])(
  "%s is not",
  (host) => {
    expect(isLoopback(new URL(`http://${host}/`).hostname)).toBe(false);
  },
);
