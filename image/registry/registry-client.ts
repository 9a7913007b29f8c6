import type { IncomingMessage } from "node:http";
import { parseChallenge, tokenUrl } from "./bearer-challenge.ts";
import { HttpClient, type HttpOptions, isLoopback, show } from "./http-get.ts";
import type { ImageReference } from "./image-reference.ts";
import { RegistryError } from "./registry-error.ts";
import { tryAgain } from "./try-again.ts";

const MAX_TOKEN_ANSWER = 64 * 1024;
const MAX_ERROR_ANSWER = 4096;
const AGENT = "guestd";

export interface Login {
  readonly username: string;
  readonly password: string;
}

export interface RegistryOptions extends HttpOptions {
  /** Returns the login for the registry if there is one. Called once, when the registry requires it. */
  readonly findLogin?: () => Promise<Login | undefined>;
}

/** Reads one repository of a registry, with a token or a login if the registry requires one. */
export class RegistryClient {
  readonly #reference: ImageReference;
  readonly #http: HttpClient;
  readonly #base: URL;
  readonly #signal: AbortSignal;
  readonly #findLogin: RegistryOptions["findLogin"];
  /** Value of the authorization header. */
  #authorization: string | undefined;

  constructor(reference: ImageReference, options: RegistryOptions) {
    this.#reference = reference;
    this.#signal = options.signal;
    this.#findLogin = options.findLogin;
    const { registry, repository } = reference;
    const base = new URL(`https://${registry}/v2/${repository}/`);
    if (isLoopback(base.hostname) || options.plainHttp) base.protocol = "http:";
    this.#base = base;
    this.#http = new HttpClient(base, options);
  }

  /** Returns the body of "manifests/…" or "blobs/…". Throws one line for any status but 200. */
  async get(path: string, accept: readonly string[]): Promise<IncomingMessage> {
    const url = new URL(path, this.#base);
    let answer = await tryAgain(() => this.#ask(url, accept), this.#signal);
    if (answer.statusCode === 401) {
      answer.destroy();
      await this.#authenticate(url, answer.headers["www-authenticate"]);
      answer = await tryAgain(() => this.#ask(url, accept), this.#signal);
    }
    if (answer.statusCode !== 200) throw await refusal(url, answer);
    return answer;
  }

  close(): void {
    this.#http.close();
  }

  #ask(url: URL, accept: readonly string[]): Promise<IncomingMessage> {
    return this.#http.get(url, {
      accept: accept.join(", "),
      "user-agent": AGENT,
      "accept-encoding": "identity",
      ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }),
    });
  }

  /** Requests a token from the URL that the registry names, or logs in without one. */
  async #authenticate(url: URL, header: string | undefined): Promise<void> {
    const challenge = parseChallenge(header);
    const place = challenge && tokenUrl(challenge, `repository:${this.#reference.repository}:pull`);
    const login = await this.#findLogin?.();
    const basic = login && `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`;
    if (challenge?.scheme === "basic" && basic !== undefined) {
      this.#authorization = basic;
      return;
    }
    if (challenge?.scheme !== "bearer" || place === undefined) throw this.#unsupported(url, challenge?.scheme);
    if (place.protocol !== "https:" && !(this.#base.protocol === "http:" && place.hostname === this.#base.hostname)) {
      const line = `GET ${show(place)}: a token server at plain http is only for a registry at plain http on the same host`;
      throw new RegistryError("permission-denied", line);
    }
    const headers = { accept: "application/json", "user-agent": AGENT, ...(basic && { authorization: basic }) };
    const answer = await tryAgain(() => this.#http.get(place, headers), this.#signal);
    if (answer.statusCode !== 200) throw await refusal(place, answer);
    const text = await readStart(answer, MAX_TOKEN_ANSWER);
    const token = tokenIn(text);
    if (token === undefined) throw new RegistryError("unavailable", `GET ${show(place)}: the response has no token`);
    this.#authorization = `Bearer ${token}`;
  }

  #unsupported(url: URL, scheme: string | undefined): RegistryError {
    const wants = scheme === undefined ? "no client" : `a login with ${scheme}`;
    const can = this.#findLogin === undefined ? "guestd supports only anonymous tokens" : this.#advice(scheme);
    return new RegistryError("permission-denied", `GET ${show(url)}: 401, the registry accepts ${wants}; ${can}`);
  }

  #advice(scheme: string | undefined): string {
    if (scheme === "basic") return `there are no credentials for it; docker login ${this.#reference.registry}`;
    return "basic and bearer are supported";
  }
}

function tokenIn(text: string): string | undefined {
  try {
    const { token, access_token } = JSON.parse(text) as Record<string, unknown>;
    const found = token ?? access_token;
    // Must be safe in a header.
    return typeof found === "string" && /^[\x21-\x7e]+$/.test(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

/** Returns one line with the status and the registry's own message. */
async function refusal(url: URL, answer: IncomingMessage): Promise<RegistryError> {
  const status = answer.statusCode ?? 0;
  const text = await readStart(answer, MAX_ERROR_ANSWER).catch(() => "");
  const kind = status === 404 ? "not-found" : status === 401 || status === 403 ? "permission-denied" : "unavailable";
  return new RegistryError(kind, `GET ${show(url)}: ${status}${saidIn(text)}`);
}

function saidIn(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { readonly errors?: readonly { code?: unknown; message?: unknown }[] };
    const { code = "", message = "" } = errors?.[0] ?? {};
    const said = `${code} ${message}`.replaceAll(/[^\x20-\x7e]/g, " ").trim();
    return said === "" ? "" : ` (${said.slice(0, 200)})`;
  } catch {
    return "";
  }
}

async function readStart(answer: IncomingMessage, most: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > most) break;
  }
  return Buffer.concat(chunks).toString("utf8");
}
