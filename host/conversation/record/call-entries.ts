import { type CallType, callType } from "../format/call-types.ts";
import type { Direction, Failure, Raw, Request, Response } from "../format/conversation.ts";
import type { ConversationWriter } from "../format/conversation-writer.ts";
import { decodeJson } from "../format/message-json.ts";
import { hidden } from "../format/redact.ts";

/** Most open calls of a connection that are remembered; more than an agent serves at once. */
const MAX_OPEN = 1 << 16;

interface Call {
  readonly service: string;
  readonly method: string;
  readonly type: CallType | undefined;
}

export interface RequestParts {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  readonly timeoutMs: number;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ResponseParts {
  /** Undefined for success. */
  readonly error: { readonly code: number; readonly text: string } | undefined;
  readonly payload: Uint8Array;
}

/** Bytes to record instead of an entry that can't be made. */
export interface Wire {
  readonly stream: number;
  readonly type?: number;
  readonly flags?: number;
  readonly bytes: Uint8Array;
}

/** Writes the calls of one connection as entries, with their messages decoded. */
export class CallEntries {
  readonly #writer: ConversationWriter;
  readonly #conn: number;
  readonly #redacted: boolean;
  readonly #open = new Map<number, Call>();

  constructor(writer: ConversationWriter, conn: number, redacted: boolean) {
    this.#writer = writer;
    this.#conn = conn;
    this.#redacted = redacted;
  }

  request(wire: Wire, { service, method, payload, timeoutMs, metadata }: RequestParts): void {
    const type = callType(service, method);
    this.#open.set(wire.stream, { service, method, type });
    const oldest = this.#open.keys().next();
    if (this.#open.size > MAX_OPEN && oldest.done === false) this.#open.delete(oldest.value);
    const values = Object.entries(metadata).map(([key, value]) => [key, this.#redacted ? hidden(value) : value]);
    const entry: Omit<Request, "ms"> = {
      conn: this.#conn,
      kind: "request",
      stream: wire.stream,
      service,
      method,
      ...(timeoutMs === 0 ? {} : { timeout_ms: timeoutMs }),
      ...(values.length === 0 ? {} : { metadata: Object.fromEntries(values) }),
      ...this.#content(type?.request, payload),
    };
    this.#writer.write(entry, () => this.#rawOf("request", "over 8 MiB as JSON", wire));
  }

  response(wire: Wire, { error, payload }: ResponseParts): void {
    const call = this.#open.get(wire.stream);
    if (call === undefined) {
      this.raw("response", "no call is open on its stream", wire);
      return;
    }
    this.#open.delete(wire.stream);
    const { service, method, type } = call;
    const about = { conn: this.#conn, stream: wire.stream, service, method };
    const entry: Omit<Response, "ms"> | Omit<Failure, "ms"> =
      error === undefined
        ? { kind: "response", ...about, ...this.#content(type?.response, payload) }
        : { kind: "error", ...about, code: error.code, text: error.text };
    this.#writer.write(entry, () => this.#rawOf("response", "over 8 MiB as JSON", wire));
  }

  raw(direction: Direction, reason: string, wire: Wire): void {
    this.#writer.write(this.#rawOf(direction, reason, wire));
  }

  /** Writes an entry for bytes that weren't kept. */
  lost(direction: Direction, reason: string, length: number, stream?: number): void {
    this.#writer.write({ kind: "raw", conn: this.#conn, direction, reason, length, stream });
  }

  #rawOf(direction: Direction, reason: string, { bytes, ...frame }: Wire): Omit<Raw, "ms"> {
    const kept = this.#redacted ? {} : { bytes: Buffer.from(bytes).toString("base64") };
    return { kind: "raw", conn: this.#conn, direction, reason, ...frame, length: bytes.length, ...kept };
  }

  /** Decodes a message; one of another type, or with invalid bytes, stays bytes. */
  #content(
    type: CallType["request"] | undefined,
    payload: Uint8Array,
  ): Pick<Request, "message" | "payload" | "length"> {
    if (type !== undefined) {
      try {
        return { message: decodeJson(type, payload, this.#redacted) };
      } catch {
        // Recorded as it is.
      }
    }
    return this.#redacted ? { length: payload.length } : { payload: Buffer.from(payload).toString("base64") };
  }
}
