import type { NumberedEntry } from "../../host/conversation/format/read-conversation.ts";
import { toJson } from "../recordings/read-recording.ts";
import type { HostCalls } from "./host-calls.ts";

/** Calls whose number and order depend on timing. */
const LOOPS: ReadonlySet<string> = new Set([
  "ReadStdout",
  "ReadStderr",
  "WriteStdin",
  "Check",
  "Version",
  "GetOOMEvent",
]);
/** Fields to ignore: a container's spec comes from the recording, but its limits don't if the machine has none. */
const LEFT_OUT: ReadonlySet<string> = new Set(["OCI", "data"]);

/** A host's conversation: calls in order, and the distinct calls of its loops. */
export interface Conversation {
  readonly calls: readonly string[];
  readonly loops: readonly string[];
}

export function recordedConversation(entries: readonly NumberedEntry[]): Conversation {
  return conversation(
    entries.flatMap((entry) =>
      entry.kind === "request"
        ? [{ name: entry.method, request: entry.message ?? {}, timeoutMs: entry.timeout_ms ?? 0 }]
        : [],
    ),
  );
}

export function madeConversation({ made }: HostCalls): Conversation {
  return conversation(
    made.map(({ name: initial, request, timeoutMs }) => {
      const name = upper(initial);
      const service = name === "Check" || name === "Version" ? "grpc.Health" : "grpc.AgentService";
      return { name, request: toJson(service, name, request), timeoutMs };
    }),
  );
}

interface Call {
  readonly name: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
}

function conversation(made: readonly Call[]): Conversation {
  const execs = new Map<string, string>();
  const short = ({ name, request, timeoutMs }: Call) => {
    const fields = Object.entries(request)
      .filter(([field]) => !LEFT_OUT.has(field))
      .map(([field, value]) => [field, field === "exec_id" ? execName(String(value), request, execs) : value]);
    // The time left when the shim sends the request.
    const limit = Math.ceil(timeoutMs / 100) / 10;
    return { name, text: `${name} ${limit} s ${JSON.stringify(Object.fromEntries(fields))}` };
  };
  const all = made.map(short);
  const calls = all.filter(({ name }) => !LOOPS.has(name)).map(({ text }) => text);
  const loops = new Set(all.filter(({ name }) => LOOPS.has(name)).map(({ text }) => text));
  return { calls, loops: [...loops].sort() };
}

/** Replaces exec ids by ordinal names, as the Go shim generates new ids each time. */
function execName(id: string, { container_id }: Call["request"], execs: Map<string, string>): string {
  if (id === "" || id === container_id) return id;
  const name = execs.get(id) ?? `exec ${execs.size + 1}`;
  execs.set(id, name);
  return name;
}

function upper(name: string): string {
  return `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
}
