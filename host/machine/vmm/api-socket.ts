import { request } from "node:http";
import { reason } from "../../../lib/reason.ts";
import { truncate, visibleLine } from "../../visible.ts";
import { MachineError } from "../machine-error.ts";
import { readAnswer } from "./read-answer.ts";

/** Time limit in milliseconds for an answer, unless an operation has its own. */
const LIMIT_MS = 30_000;

export interface ApiOptions {
  /** Time limit in milliseconds for each answer. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** One request, with the words for its failure. */
export interface Operation {
  /** Such as "pause". */
  readonly what: string;
  readonly method: "GET" | "PUT" | "PATCH";
  readonly path: string;
  readonly body?: object;
  /** Default time limit in milliseconds. */
  readonly limitMs?: number;
  /** Remedy if the VMM refuses. */
  readonly remedy: string;
}

/** A VMM's HTTP API on a unix socket. Each request has its own connection. */
export class ApiSocket {
  readonly #vmm: string;
  readonly #path: string;
  readonly #fault: (body: string) => string;
  readonly #options: ApiOptions;

  /** `fault` returns the message in the body of an error's answer. */
  constructor(vmm: string, path: string, fault: (body: string) => string, options: ApiOptions = {}) {
    this.#vmm = vmm;
    this.#path = path;
    this.#fault = fault;
    this.#options = options;
  }

  /** Returns the answer's JSON, or undefined if it has no body. Throws MachineError. */
  async call(operation: Operation): Promise<unknown> {
    const limit = this.#options.timeoutMs ?? operation.limitMs ?? LIMIT_MS;
    const late = AbortSignal.timeout(limit);
    const signal = AbortSignal.any([late, ...(this.#options.signal === undefined ? [] : [this.#options.signal])]);
    const { status, body } = await this.#exchange(operation, signal).catch((error: unknown) => {
      const why = signal.aborted ? this.#aborted(late, limit) : connectionFailure(error);
      throw this.error(operation.what, why, error);
    });
    if (status < 200 || status > 299) {
      const fault = visibleLine(truncate(this.#fault(body))) || "no reason";
      throw this.error(operation.what, `the VMM answered ${status}, ${fault}; ${operation.remedy}`);
    }
    return body === "" ? undefined : this.#parse(operation, body);
  }

  /** Returns the error for an operation on this VMM; `why` is its reason and remedy. */
  error(what: string, why: string, cause?: unknown): MachineError {
    return new MachineError(`${what}: ${this.#vmm} at ${this.#path}: ${why}`, { cause });
  }

  #aborted(late: AbortSignal, limit: number): string {
    if (!late.aborted) return `cancelled (${reason(this.#options.signal?.reason)})`;
    return `no answer within ${limit} ms; the VMM may still finish it, so read the machine's state before a retry`;
  }

  #parse({ what }: Operation, body: string): unknown {
    try {
      return JSON.parse(body);
    } catch (error) {
      throw this.error(what, "the answer is not JSON; check that the socket is the VMM's API socket", error);
    }
  }

  /** The VMMs' HTTP server reads no chunked bodies: a body is sent as a whole, with its length. */
  #exchange({ method, path, body }: Operation, signal: AbortSignal): Promise<{ status: number; body: string }> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = { Accept: "application/json", ...(payload && { "Content-Type": "application/json" }) };
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: this.#path, method, path, headers, agent: false, signal });
      call.once("error", reject);
      call.once("response", (response) => {
        readAnswer(response).then((text) => resolve({ status: response.statusCode ?? 0, body: text }), reject);
      });
      call.end(payload);
    });
  }
}

const FAILURES: Readonly<Record<string, string>> = {
  ENOENT: "no such socket; start the VMM with this API socket, or check the path",
  ECONNREFUSED: "no process listens on the socket; the VMM has ended, so start it again",
  EACCES: "permission denied; run this as the VMM's user",
};

function connectionFailure(error: unknown): string {
  const known = FAILURES[(error as NodeJS.ErrnoException).code ?? ""];
  return known ?? `no answer, ${visibleLine(reason(error))}; the VMM may have ended, so look at its log`;
}
