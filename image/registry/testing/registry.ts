import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { digestOf } from "../../digest.ts";
import { thisPlatform } from "../../platform.ts";
import { layoutEntries } from "../../write-layout.ts";

/** Answers a request itself, or returns undefined for the default response. */
export type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => true | undefined;

export interface TestRegistry extends AsyncDisposable {
  /** 127.0.0.1 and its port. */
  readonly host: string;
  /** Requests in order: "GET /v2/… authorization". */
  readonly requests: readonly string[];
  /** Called first for every request. */
  handler: Handler;
  /** Adds a blob or manifest to the repository "test/image" and returns its digest. */
  put(content: Buffer, tag?: string): string;
  /** Adds an image of uncompressed layers under a tag and returns its manifest's digest. */
  putImage(layers: readonly Buffer[], tag: string, architecture?: string): string;
  remove(digest: string): void;
}

/** Starts a registry on loopback with one repository. */
export async function startRegistry(): Promise<TestRegistry> {
  const files = new Map<string, Buffer>();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://registry");
    requests.push(`${request.method} ${url.pathname}${url.search} ${request.headers.authorization ?? ""}`.trim());
    if (registry.handler(request, response, url) === true) return;
    const name = /^\/v2\/test\/image\/(?:manifests|blobs)\/(.+)$/.exec(url.pathname)?.[1] ?? "";
    const found = files.get(name);
    if (found !== undefined) response.end(found);
    else {
      response.statusCode = 404;
      response.end(JSON.stringify({ errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const put = (content: Buffer, tag?: string): string => {
    const digest = digestOf(content);
    files.set(digest, content);
    if (tag !== undefined) files.set(tag, content);
    return digest;
  };
  const registry: TestRegistry = {
    host: `127.0.0.1:${port}`,
    requests,
    handler: () => undefined,
    put,
    putImage(layers, tag, architecture = thisPlatform().architecture) {
      const platform = { os: "linux", architecture };
      let digest = "";
      for (const { name, content = "" } of layoutEntries({ name: tag, platform, config: {}, layers })) {
        const bytes = Buffer.from(content);
        if (name === "index.json") digest = JSON.parse(String(bytes)).manifests[0].digest;
        else if (name.startsWith("blobs/")) put(bytes);
      }
      files.set(tag, files.get(digest) ?? Buffer.alloc(0));
      return digest;
    },
    remove: (digest) => void files.delete(digest),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return registry;
}
