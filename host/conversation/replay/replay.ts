import { setTimeout as sleep } from "node:timers/promises";
import type { AgentClient } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { ConversationError } from "../conversation-error.ts";
import { callType } from "../format/call-types.ts";
import type { Entry, Failure, Request, Response } from "../format/conversation.ts";
import { decodeJson, encodeJson, type JsonMessage } from "../format/message-json.ts";
import { type FieldDifference, firstDifference } from "./first-difference.ts";
import { notCompared } from "./not-compared.ts";
import { failure, type Outcome, recordedOutcome } from "./outcome.ts";
import { OutputReplay } from "./output-replay.ts";

const RESPONSE_MS = 10_000;
const READS: ReadonlySet<string> = new Set(["ReadStdout", "ReadStderr"]);

export interface ReplayOptions {
  /** How long a response may take that was recorded, from the time at which it is awaited. Default: 10 s. */
  readonly timeoutMs?: number;
  /** Paths of fields that aren't compared, besides NOT_COMPARED. */
  readonly ignore?: readonly string[];
  /** True if the recording is without secrets: then responses are compared without them too. */
  readonly redacted?: boolean;
  /** Changes a request before it is sent. */
  prepare?(request: Request): JsonMessage | undefined;
}

/** A result that differs from the recorded one. */
export interface Difference extends FieldDifference {
  /** Line of the request in the file. */
  readonly line: number;
  readonly conn: number;
  readonly stream: number;
  readonly method: string;
  /** Whole results; of output, the first 64 KiB. */
  readonly results: { readonly recorded: Outcome | string; readonly actual: Outcome | string };
}

export interface ReplayResult {
  readonly calls: number;
  /** Lines that can't be replayed: raw frames, and requests whose bytes were left out. */
  readonly skipped: number;
  /** At most one of each call, and one of each output, in the order of the file. */
  readonly differences: readonly Difference[];
}

type Numbered<T> = T & { readonly line: number };

interface Sent {
  readonly request: Numbered<Request>;
  readonly outcome: Promise<Outcome> | OutputReplay;
}

/**
 * Makes the calls of a recording, each one as soon as every response that was recorded before it has arrived, and compares the
 * results. Opens and closes connections as recorded. Throws ConversationError for an invalid line.
 */
export async function replay(
  entries: AsyncIterable<Numbered<Entry>> | Iterable<Numbered<Entry>>,
  connect: () => Promise<AgentClient>,
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  await using played = new Replay(connect, options);
  for await (const entry of entries) await played.play(entry);
  return played.result();
}

class Replay implements AsyncDisposable {
  readonly #connect: () => Promise<AgentClient>;
  readonly #options: ReplayOptions;
  readonly #skip: (path: string) => boolean;
  readonly #clients = new Map<number, AgentClient>();
  readonly #sent = new Map<string, Sent>();
  readonly #outputs = new Map<string, Sent & { readonly outcome: OutputReplay }>();
  readonly #differences: Difference[] = [];
  #calls = 0;
  #skipped = 0;

  constructor(connect: () => Promise<AgentClient>, options: ReplayOptions) {
    this.#connect = connect;
    this.#options = options;
    this.#skip = notCompared(options.ignore);
  }

  async play(entry: Numbered<Entry>): Promise<void> {
    switch (entry.kind) {
      case "opened":
        await this.#client(entry.conn);
        break;
      case "closed":
        await this.#clients.get(entry.conn)?.close();
        break;
      case "request":
        await this.#send(entry);
        break;
      case "response":
      case "error":
        await this.#compare(entry);
        break;
      case "raw":
        this.#skipped += 1;
        break;
      case "ended":
        break;
    }
  }

  result(): ReplayResult {
    const outputs = [...this.#outputs.values()].flatMap(({ request, outcome: { comparison } }) => {
      const found = comparison.difference();
      return found === undefined ? [] : [differenceOf(request, found, comparison.heads)];
    });
    const differences = [...this.#differences, ...outputs].sort((one, other) => one.line - other.line);
    return { calls: this.#calls, skipped: this.#skipped, differences };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#clients.values(), (client) => client.close()));
  }

  async #client(conn: number): Promise<AgentClient> {
    const client = this.#clients.get(conn) ?? (await this.#connect());
    this.#clients.set(conn, client);
    return client;
  }

  async #send(request: Numbered<Request>): Promise<void> {
    const payload = this.#payload(request);
    if (payload === undefined) {
      this.#skipped += 1;
      return;
    }
    this.#calls += 1;
    const client = await this.#client(request.conn);
    const call = () => invoke(client, request, payload, this.#options.redacted ?? false);
    const { method, message } = request;
    if (!READS.has(method) || message === undefined) {
      this.#sent.set(keyOf(request), { request, outcome: call() });
      return;
    }
    const key = `${request.conn} ${method} ${String(message["container_id"])} ${String(message["exec_id"])}`;
    const output = this.#outputs.get(key) ?? { request, outcome: new OutputReplay(method, call, this.#skip) };
    this.#outputs.set(key, output);
    this.#sent.set(keyOf(request), { request, outcome: output.outcome });
    output.outcome.request();
  }

  /** Returns the bytes of a request, or undefined if the recording doesn't have them. */
  #payload(request: Numbered<Request>): Uint8Array | undefined {
    const message = this.#options.prepare?.(request) ?? request.message;
    if (message === undefined)
      return request.payload === undefined ? undefined : Buffer.from(request.payload, "base64");
    const type = callType(request.service, request.method);
    const at = `line ${request.line}: request of ${request.service}/${request.method}`;
    if (type === undefined) throw new ConversationError(`${at}: it has a message, but no such call is known`);
    try {
      return encodeJson(type.request, message);
    } catch (error) {
      throw new ConversationError(`${at}: ${(error as Error).message}`, { cause: error });
    }
  }

  async #compare(entry: Numbered<Response | Failure>): Promise<void> {
    const sent = this.#sent.get(keyOf(entry));
    if (sent === undefined) {
      this.#skipped += 1;
      return;
    }
    this.#sent.delete(keyOf(entry));
    const { request, outcome } = sent;
    const recorded = recordedOutcome(entry);
    const within = (work: Promise<Outcome>) => withTimeout(work, this.#options.timeoutMs ?? RESPONSE_MS);
    if (outcome instanceof OutputReplay) {
      const found = await outcome.response(recorded, within);
      if (found !== undefined) this.#differences.push(differenceOf(request, found, outcome.comparison.heads));
      return;
    }
    const actual = await within(outcome);
    const found = firstDifference(request.method, recorded, actual, this.#skip);
    if (found !== undefined) this.#differences.push(differenceOf(request, found, { recorded, actual }));
  }
}

const keyOf = ({ conn, stream }: { readonly conn: number; readonly stream: number }) => `${conn}/${stream}`;

function differenceOf(
  { line, conn, stream, method }: Numbered<Request>,
  found: FieldDifference,
  results: Difference["results"],
): Difference {
  return { line, conn, stream, method, ...found, results };
}

/** Makes a call. Errors are results. */
async function invoke(client: AgentClient, request: Request, payload: Uint8Array, redacted: boolean): Promise<Outcome> {
  const { service, method, timeout_ms: timeoutMs, metadata } = request;
  try {
    const limits = { timeoutMs, ...(redacted || metadata === undefined ? {} : { metadata }) };
    const answer = await client.channel.call(service, method, payload, limits);
    const type = callType(service, method)?.response;
    if (type !== undefined) return { message: decodeJson(type, answer, redacted) };
    return { payload: redacted ? `${answer.length} bytes` : Buffer.from(answer).toString("base64") };
  } catch (error) {
    if (error instanceof RpcError) return failure(error);
    return { error: { code: 13, text: `undecodable response: ${(error as Error).message}` } };
  }
}

async function withTimeout(work: Promise<Outcome>, ms: number): Promise<Outcome> {
  const stop = new AbortController();
  const late = sleep(ms, undefined, { signal: stop.signal }).then(
    (): Outcome => ({ error: { code: 4, text: `no response within ${ms / 1000} s` } }),
    (): Outcome => ({ payload: "" }),
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    stop.abort();
  }
}
