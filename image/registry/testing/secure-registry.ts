import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { temporaryDirectory } from "../../testing/tree.ts";

export interface SecureRegistry extends AsyncDisposable {
  /** Certificate of the authority that signed the registry's certificate. */
  readonly certificate: string;
  /** URL of a proxy that connects every host name to the registry. */
  readonly proxy: string;
  /** Hosts requested from the proxy. */
  readonly asked: readonly string[];
  /** Responses by path. */
  readonly files: Map<string, Buffer>;
}

/** Starts a TLS registry for `host` behind a proxy, because clients never use TLS for loopback. */
export async function startSecureRegistry(host: string): Promise<SecureRegistry> {
  using temporary = temporaryDirectory();
  const at = (name: string) => join(temporary.path, name);
  const subject = ["-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", at("key")];
  execFileSync("openssl", ["req", "-x509", ...key, "-out", at("certificate"), "-days", "2", ...subject], {
    stdio: "ignore",
  });
  const certificate = readFileSync(at("certificate"), "utf8");
  const files = new Map<string, Buffer>();
  const registry = createSecureServer({ key: readFileSync(at("key")), cert: certificate }, (request, response) => {
    const found = files.get(request.url ?? "");
    response.writeHead(found === undefined ? 404 : 200).end(found);
  });
  const port = await listen(registry);
  const asked: string[] = [];
  const proxy = createServer();
  const tunnels = new Set<Socket>();
  proxy.on("connect", (request, socket: Socket) => {
    asked.push(request.url ?? "");
    const to = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      to.pipe(socket).pipe(to);
    });
    for (const each of [socket, to]) tunnels.add(each.on("error", () => undefined));
  });
  const proxyPort = await listen(proxy);
  return {
    certificate,
    proxy: `http://127.0.0.1:${proxyPort}`,
    asked,
    files,
    async [Symbol.asyncDispose]() {
      for (const each of tunnels) each.destroy();
      for (const server of [proxy, registry]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

async function listen(server: Pick<Server, "listen" | "address">): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
