import { once } from "node:events";
import { WebSocket } from "ws";
import type { SessionAnswer } from "../protocol/requests.ts";
import { PageSocket } from "./page-socket.ts";

/** A page as a browser would be: it has a session, and sends its origin. */
export class PageClient {
  readonly origin: string;
  readonly cookie: string;
  readonly secret: string;

  constructor(origin: string, cookie: string, secret: string) {
    this.origin = origin;
    this.cookie = cookie;
    this.secret = secret;
  }

  /** Opens the session of a link that `guestctl serve` printed. */
  static async open(link: string): Promise<PageClient> {
    const { origin, hash } = new URL(link);
    const response = await postToken(origin, hash.slice(1));
    const [cookie = ""] = (response.headers.get("set-cookie") ?? "").split(";");
    if (response.status !== 200) throw new Error(`the session was refused: ${response.status}`);
    const { secret } = (await response.json()) as SessionAnswer;
    return new PageClient(origin, cookie, secret);
  }

  /** The headers of its requests. */
  get headers(): Readonly<Record<string, string>> {
    return { origin: this.origin, cookie: this.cookie, "guestd-page": this.secret };
  }

  request(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.origin}${path}`, { ...init, headers: { ...this.headers, ...init.headers } });
  }

  /** Returns the answer's JSON. Rejects if it isn't 200. */
  async get<T>(path: string): Promise<T> {
    return answered(await this.request(path));
  }

  async post<T>(path: string, body: object): Promise<T> {
    return answered(await this.request(path, { method: "POST", body: JSON.stringify(body) }));
  }

  async socket(): Promise<PageSocket> {
    const { origin, cookie, secret } = this;
    const url = `${origin.replace(/^http/, "ws")}/api/socket`;
    const socket = new WebSocket(url, [`guestd-page.${secret}`], { headers: { origin, cookie } });
    await once(socket, "open");
    return new PageSocket(socket);
  }
}

export function postToken(origin: string, token: string): Promise<Response> {
  return fetch(`${origin}/api/session`, { method: "POST", body: JSON.stringify({ token }), headers: { origin } });
}

async function answered<T>(response: Response): Promise<T> {
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
  return JSON.parse(text) as T;
}
