import { Agent as HttpAgent, get as httpGet, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, get as httpsGet } from "node:https";
import { isIPv4 } from "node:net";
import { quoted } from "../../lib/quoted.ts";
import { type Network, Reachable } from "./reachable.ts";
import { RegistryError } from "./registry-error.ts";

export interface HttpOptions {
  /** Proxy for https and the hosts that are reached without it; empty for none. */
  readonly httpsProxy: string;
  readonly noProxy: string;
  /** Allows plain HTTP to hosts other than loopback. */
  readonly plainHttp: boolean;
  readonly signal: AbortSignal;
  readonly network?: Network;
}

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Sends GET requests to a registry and to where it leads. Connections are kept until `close`. */
export class HttpClient {
  readonly #options: HttpOptions;
  readonly #http = new HttpAgent({ keepAlive: true });
  readonly #https: HttpsAgent;
  readonly #reachable: Reachable;

  /** @param home address of the registry */
  constructor(home: URL, options: HttpOptions) {
    this.#options = options;
    this.#reachable = new Reachable(plainName(home), options.network);
    const { httpsProxy, noProxy } = options;
    // Node would ignore an invalid URL and connect without a proxy.
    if (httpsProxy !== "" && !(URL.canParse(httpsProxy) && /^https?:$/.test(new URL(httpsProxy).protocol))) {
      throw new RegistryError("failed-precondition", "https_proxy is not a URL, write it as http://HOST:PORT");
    }
    const proxyEnv = httpsProxy === "" ? {} : { proxyEnv: { HTTPS_PROXY: httpsProxy, NO_PROXY: noProxy } };
    this.#https = new HttpsAgent({ keepAlive: true, ...proxyEnv });
  }

  /** Returns the response with any status; its body is not yet read. Only the first host gets `authorization`. */
  async get(url: URL, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    let at = url;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      this.#check(at);
      const { authorization, ...others } = headers;
      const own = authorization === undefined || at.origin !== url.origin ? {} : { authorization };
      const answer = await this.#getOnce(at, { ...others, ...own });
      const { location } = answer.headers;
      if (!REDIRECTS.has(answer.statusCode ?? 0) || location === undefined) return answer;
      answer.destroy();
      if (!URL.canParse(location, at.href)) throw failed(at, `it redirects to ${quoted(location, 200)}`);
      const next = new URL(location, at);
      if (at.protocol === "https:" && next.protocol !== "https:")
        throw failed(at, `it redirects to ${show(next)}, which is not https`);
      at = next;
    }
    throw failed(url, `more than ${MAX_REDIRECTS} redirects`);
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #check(url: URL): void {
    const isHttp = url.protocol === "http:" && (this.#options.plainHttp || isLoopback(url.hostname));
    if (!isHttp && url.protocol !== "https:")
      throw failed(url, "plain http is only for loopback, unless the option plain-http is set");
    try {
      this.#reachable.check(plainName(url));
    } catch (error) {
      throw failed(url, String((error as Error).message));
    }
  }

  #getOnce(url: URL, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    const { signal } = this.#options;
    const isPlain = url.protocol === "http:";
    const hostname = plainName(url);
    const { port, pathname, search } = url;
    const own = { host: url.host, ...headers };
    const lookup = this.#reachable.lookup(hostname);
    const options = { hostname, port, path: `${pathname}${search}`, signal, lookup, headers: own };
    return new Promise((resolve, reject) => {
      const request = isPlain
        ? httpGet({ ...options, agent: this.#http }, resolve)
        : httpsGet({ ...options, agent: this.#https, servername: isIp(hostname) ? "" : hostname }, resolve);
      request.on("error", (error) => reject(signal.aborted ? signal.reason : failed(url, error.message, error)));
    });
  }
}

/** Returns the host to connect to: "localhost" is not resolved by a name server. */
function plainName({ hostname }: URL): string {
  return hostname === "localhost" ? "127.0.0.1" : hostname.replace(/^\[(.*)\]$/, "$1");
}

/** True for 127.0.0.0/8, ::1 and localhost. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || (isIPv4(hostname) && hostname.startsWith("127."));
}

/** Returns the URL without its query, which may hold tokens. */
export function show({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

function isIp(hostname: string): boolean {
  return isIPv4(hostname) || hostname.includes(":");
}

function failed(url: URL, why: string, error: NodeJS.ErrnoException = new Error(why)): RegistryError {
  const message = `GET ${show(url)}: ${why.replaceAll("\n", " ")}`;
  return new RegistryError("unavailable", message, { cause: error, code: error.code ?? "" });
}
