import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import type { ApiDescription } from "./api-description.ts";

/** An answer of the API; "reset" closes the connection instead, "silence" never answers. */
export type VmmAnswer = { readonly status: number; readonly body?: unknown } | "reset" | "silence";

/** Answers a request by the state of a pretended machine. */
export type VmmModel = (operation: string, body: unknown) => VmmAnswer;

/**
 * Server of a VMM's API on a unix socket. Compares each request and answer with the API's description, except
 * answers that a test gives with `next`.
 */
export class ScriptedVmm implements AsyncDisposable {
  /** Operations in the order in which they arrived, with their bodies. */
  readonly seen: (readonly [operation: string, body?: unknown])[] = [];
  /** Deviations from the description; a test expects none. */
  readonly problems: string[] = [];
  readonly #server: Server;
  readonly #api: ApiDescription;
  readonly #model: VmmModel;
  readonly #next = new Map<string, VmmAnswer | { readonly text: string; readonly status: number }>();

  private constructor(api: ApiDescription, model: VmmModel) {
    this.#api = api;
    this.#model = model;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(socket: string, api: ApiDescription, model: VmmModel): Promise<ScriptedVmm> {
    const vmm = new ScriptedVmm(api, model);
    vmm.#server.listen(socket);
    await once(vmm.#server, "listening");
    return vmm;
  }

  /** Sets the answer to the next request of an operation; `text` is a body as it is. */
  next(operation: string, answer: VmmAnswer | { readonly text: string; readonly status: number }): void {
    this.#next.set(operation, answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    if (this.#server.listening) await once(this.#server, "close");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const operation = `${request.method} ${request.url}`;
    const body = await this.#body(request);
    this.seen.push(body === undefined ? [operation] : [operation, body]);
    this.#note(this.#api.request(operation, body));
    const scripted = this.#next.get(operation);
    this.#next.delete(operation);
    if (typeof scripted === "object" && "text" in scripted) {
      response.writeHead(scripted.status).end(scripted.text);
      return;
    }
    const answer = scripted ?? this.#model(operation, body);
    if (answer === "silence") return;
    if (answer === "reset") return void request.socket.destroy();
    this.#note(this.#api.answer(operation, answer.status, answer.body));
    const payload = answer.body === undefined ? undefined : JSON.stringify(answer.body);
    response.writeHead(answer.status, { "Content-Type": "application/json" }).end(payload);
  }

  /** Reads a body like the VMMs' HTTP server, which knows no chunks and requires JSON's media type. */
  async #body(request: IncomingMessage): Promise<unknown> {
    const { "transfer-encoding": encoding, "content-length": length, "content-type": type } = request.headers;
    if (encoding !== undefined) this.problems.push(`transfer-encoding ${encoding}`);
    const payload = await text(request);
    if (length === undefined || Number(length) === 0) return undefined;
    if (type !== "application/json") this.problems.push(`content-type ${type}`);
    return JSON.parse(payload);
  }

  #note(problem: string | undefined): void {
    if (problem !== undefined) this.problems.push(problem);
  }
}
