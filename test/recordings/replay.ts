import { isJsonObject } from "../../lib/parse-json.ts";
import { setTimeout as sleep } from "node:timers/promises";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { RpcError } from "../../host/client/rpc-error.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { type Line, methodOf, toJson, toMessage } from "./read-recording.ts";

/** Outcome of a call, in the replay or in the recording. */
type Outcome = { readonly response: Readonly<Record<string, unknown>> } | Failure;

interface Failure {
  readonly code: number;
  readonly message: string;
}

/** An answer that differs in meaning from the recorded one. */
export interface Difference {
  /** ttRPC stream id of the recorded call. */
  readonly stream: number;
  readonly call: string;
  readonly reference: string;
  readonly guestd: string;
}

const ANSWER_MS = 10_000;
const READS: ReadonlySet<string> = new Set(["ReadStdout", "ReadStderr"]);
/** Calls of which only the field names are compared, because the values depend on the machine. */
const FIELDS_ONLY: ReadonlySet<string> = new Set(["StatsContainer", "GetGuestDetails"]);

interface Sent {
  readonly stream: number;
  readonly path: string;
  readonly name: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly outcome: Promise<Outcome>;
}

/** Bytes of one stream of a process. The number of answers that carry them depends on timing. */
interface Bytes {
  readonly stream: number;
  readonly call: string;
  reference: string;
  guestd: string;
}

/**
 * Makes a recording's calls, each once the answers that its host had by then have arrived, and compares the answers.
 * `limits` is true if the containers' cgroups can have limits.
 */
export async function replay(client: AgentClient, lines: readonly Line[], limits: boolean): Promise<Difference[]> {
  const sent = new Map<number, Sent>();
  const outputs = new Map<string, Bytes>();
  const differences: Difference[] = [];
  for (const line of lines) {
    const { stream } = line;
    if (stream === undefined) continue; // start or end of the connection
    if (line.call !== undefined) {
      sent.set(stream, send(client, stream, line, limits));
      continue;
    }
    const call = sent.get(stream);
    if (call === undefined) throw new Error(`an answer to stream ${stream} without a call`);
    const reference: Outcome = line.status === undefined ? { response: line.response ?? {} } : line.status;
    const guestd = await within(call);
    if (READS.has(call.name)) {
      await compareRead(client, call, outputs, reference, guestd);
      if ("code" in guestd) differences.push({ stream, call: call.name, reference: "an end", guestd: failureText(guestd) });
    } else {
      const [was, is] = [meaning(call.name, reference), meaning(call.name, guestd)];
      if (was !== is) differences.push({ stream, call: call.name, reference: was, guestd: is });
    }
  }
  const bytes = [...outputs.values()].filter(({ reference, guestd }) => reference !== guestd);
  return [...differences, ...bytes].sort((one, other) => one.stream - other.stream);
}

function send(client: AgentClient, stream: number, line: Line, limits: boolean): Sent {
  const { call: path = "", timeout_ms: timeoutMs = 0, request = {} } = line;
  const name = path.split("/")[1] ?? "";
  const message = toMessage(methodOf(path).request, request);
  if (!limits && name === "CreateContainer") withoutLimits(message as grpc.CreateContainerRequest);
  const outcome = invoke(client, path, message, timeoutMs);
  return { stream, path, name, request, outcome };
}

function withoutLimits({ OCI }: grpc.CreateContainerRequest): void {
  if (OCI?.Linux != null) OCI.Linux.Resources = null;
}

async function invoke(client: AgentClient, path: string, message: object, timeoutMs: number): Promise<Outcome> {
  const [service = "", name = ""] = path.split("/");
  const { request, response } = methodOf(path);
  try {
    const limit = timeoutMs === 0 ? {} : { timeoutMs };
    const answer = await client.channel.call(service, name, request.encode(message as never), limit);
    return { response: toJson(response, response.decode(answer) as object) };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return { code: error.code, message: error.message };
  }
}

async function within({ outcome, path, stream }: Sent): Promise<Outcome> {
  const limit = new AbortController();
  const late = sleep(ANSWER_MS, undefined, { signal: limit.signal }).then(() => {
    throw new Error(`${path}, stream ${stream}: no answer within ${ANSWER_MS} ms`);
  });
  late.catch(() => undefined); // reported if the replay waits for it
  try {
    return await Promise.race([outcome, late]);
  } finally {
    limit.abort();
  }
}

/**
 * Collects bytes. If the host saw the end of the stream, reads until the end, which may take more answers than it did.
 */
async function compareRead(
  client: AgentClient,
  { stream, path, name, request }: Sent,
  outputs: Map<string, Bytes>,
  reference: Outcome,
  guestd: Outcome,
): Promise<void> {
  const key = `${name} ${String(request["container_id"])} ${String(request["exec_id"])}`;
  const bytes = outputs.get(key) ?? { stream, call: name, reference: "", guestd: "" };
  outputs.set(key, bytes);
  const [was, is] = [dataOf(reference), dataOf(guestd)];
  bytes.reference += was;
  bytes.guestd += is;
  if (was !== "" || is === "") return;
  const message = toMessage(methodOf(path).request, request);
  for (;;) {
    const more = dataOf(await within({ stream, path, name, request, outcome: invoke(client, path, message, 0) }));
    if (more === "") return;
    bytes.guestd += more;
  }
}

/** Returns the bytes of an answer; empty for the end of the stream, whether by no data or by an error. */
function dataOf(outcome: Outcome): string {
  const data = "response" in outcome ? outcome.response["data"] : undefined;
  return typeof data === "string" ? Buffer.from(data, "base64").toString() : "";
}

function meaning(call: string, outcome: Outcome): string {
  if ("code" in outcome) return failureText(outcome);
  return JSON.stringify(FIELDS_ONLY.has(call) ? fieldsOf(outcome.response) : outcome.response);
}

/** Returns a failure's code and text, which hosts read too (behaviour.md 2.2), without the reference's stack trace. */
function failureText({ code, message }: Failure): string {
  return `code ${code}: ${message.split("\n")[0]}`;
}

/** Returns the names of all fields, including those of nested messages. A list or map counts as one field. */
function fieldsOf(message: Readonly<Record<string, unknown>>, prefix = ""): string[] {
  return Object.entries(message)
    .flatMap(([name, value]) => {
      return isJsonObject(value) && name !== "stats" ? fieldsOf(value, `${prefix}${name}.`) : [`${prefix}${name}`];
    })
    .sort();
}
