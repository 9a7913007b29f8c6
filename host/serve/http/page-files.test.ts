import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { PageFiles } from "./page-files.ts";

async function serveFolder(): Promise<{
  readonly folder: string;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
}> {
  const root = mkdtempSync(join(tmpdir(), "page-"));
  const folder = join(root, "page");
  mkdirSync(folder);
  writeFileSync(join(root, "secret.js"), "secret");
  const files = new PageFiles(folder);
  const server = createServer(async (request, response) => {
    if (!(await files.answer(request.url ?? "", request, response))) response.writeHead(403).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
    rmSync(root, { recursive: true });
  });
  const { port } = server.address() as AddressInfo;
  return { folder, get: (path, headers = {}) => fetch(`http://127.0.0.1:${port}${path}`, { headers }) };
}

test("the page's files are compressed, and those with a hash are kept for ever", async () => {
  const { folder, get } = await serveFolder();
  writeFileSync(join(folder, "index.html"), "<p>".repeat(1000));
  writeFileSync(join(folder, "page-0123ABCD.js"), "x".repeat(1000));
  const index = await get("/");
  expect(await index.text()).toBe("<p>".repeat(1000));
  expect(Object.fromEntries(index.headers)).toMatchObject({
    ...{ "content-type": "text/html; charset=utf-8", "content-encoding": "gzip", "cache-control": "no-cache" },
  });
  const script = await get("/page-0123ABCD.js");
  expect(script.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  writeFileSync(join(folder, "index.html"), "built again");
  expect(await (await get("/")).text()).toBe("built again");
});

test("a page that was packed is served as it is, and unpacked for who can't do that", async () => {
  const { folder, get } = await serveFolder();
  writeFileSync(join(folder, "page-0123ABCD.js.gz"), gzipSync("content"));
  const packed = await get("/page-0123ABCD.js");
  expect([packed.headers.get("content-encoding"), await packed.text()]).toEqual(["gzip", "content"]);
  const plain = await get("/page-0123ABCD.js", { "accept-encoding": "identity" });
  expect([plain.headers.get("content-encoding"), await plain.text()]).toEqual([null, "content"]);
  expect((await get("/page-0123ABCD.js.gz")).status).toBe(403);
});

test("no other file can be reached", async () => {
  const { get } = await serveFolder();
  for (const path of ["/..%2fsecret.js", "/%2e%2e/secret.js", "//secret.js", "/none.js", "/page"]) {
    expect([path, (await get(path)).status]).toEqual([path, 403]);
  }
});

test("a page that isn't built is said so in one line", async () => {
  const { get } = await serveFolder();
  const response = await get("/");
  expect([response.status, await response.text()]).toEqual([503, expect.stringContaining("run npm run build")]);
});
