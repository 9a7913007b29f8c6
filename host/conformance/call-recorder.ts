import { services } from "../../proto/gen/services.js";
import type { AnyMethod } from "../../proto/method.ts";
import type { CallOptions, RpcChannel } from "../client/rpc-channel.ts";
import { RpcError } from "../client/rpc-error.ts";
import { displayable } from "./displayable.ts";

/** One call of a case, for its report. */
export interface RecordedCall {
  /** Service and method, such as "grpc.Health/Check". */
  readonly call: string;
  /** Number of the case's connection, from 1. */
  readonly connection: number;
  /** Milliseconds since the case began. */
  readonly at: number;
  readonly request: unknown;
  /** Unset while the call is open. */
  ms?: number;
  response?: unknown;
  error?: { readonly code: string; readonly text: string };
}

/** Calls of one case that are kept: as many of its first ones, and as many of its last. */
const KEPT = 40;

const METHODS: Readonly<Record<string, Readonly<Record<string, AnyMethod>>>> = services;

/** Records the calls of one case, and the containers that it leaves behind. Bounded. */
export class CallRecorder {
  readonly #begun = performance.now();
  readonly #first: RecordedCall[] = [];
  readonly #last: RecordedCall[] = [];
  readonly #containers = new Set<string>();
  readonly #open = new Set<string>();
  #connections = 0;
  #dropped = 0;

  get calls(): readonly RecordedCall[] {
    return [...this.#first, ...this.#last];
  }

  /** Number of calls between the first and the last ones that were not kept. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Ids of containers that may exist, the newest first. */
  get containers(): readonly string[] {
    return [...this.#containers].reverse();
  }

  /** Calls without an answer. */
  get open(): readonly string[] {
    return [...this.#open].map((name) => name.replace(/ .*/, ""));
  }

  /** Returns a channel that records its calls. */
  wrap(channel: RpcChannel): RpcChannel {
    const connection = ++this.#connections;
    return {
      closed: channel.closed,
      close: () => channel.close(),
      [Symbol.asyncDispose]: () => channel.close(),
      call: (service, method, payload, options) => this.#call(channel, connection, service, method, payload, options),
    };
  }

  async #call(
    channel: RpcChannel,
    connection: number,
    service: string,
    method: string,
    payload: Uint8Array,
    options?: CallOptions,
  ): Promise<Uint8Array> {
    const codecs = METHODS[service]?.[method];
    const at = performance.now();
    const request = decoded(codecs?.request, payload);
    const call: RecordedCall = {
      call: `${service}/${method}`,
      connection,
      at: at - this.#begun,
      request: displayable(request),
    };
    this.#keep(call);
    const openName = `${method} ${at} ${this.#open.size}`;
    this.#open.add(openName);
    const id = (request as { readonly container_id?: string }).container_id ?? "";
    if (method === "CreateContainer" && id !== "") this.#containers.add(id);
    try {
      const answer = await channel.call(service, method, payload, options);
      call.response = displayable(decoded(codecs?.response, answer));
      if (method === "RemoveContainer") this.#containers.delete(id);
      return answer;
    } catch (error) {
      call.error =
        error instanceof RpcError
          ? { code: error.kind, text: error.message }
          : { code: "unknown", text: (error as Error).message };
      throw error;
    } finally {
      call.ms = performance.now() - at;
      this.#open.delete(openName);
    }
  }

  #keep(call: RecordedCall): void {
    if (this.#first.length < KEPT) this.#first.push(call);
    else if (this.#last.push(call) > KEPT) {
      this.#last.shift();
      this.#dropped++;
    }
  }
}

function decoded(codec: AnyMethod["request"] | undefined, payload: Uint8Array): unknown {
  try {
    return codec?.decode(payload) ?? { bytes: payload };
  } catch {
    return { undecodable: payload };
  }
}
