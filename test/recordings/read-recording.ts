import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import type { AnyMethod } from "../../proto/method.ts";
import { services } from "../../proto/gen/services.js";

/** One line: a message from an unmodified Kata shim to the reference agent, or from the agent to the shim. */
export interface Line {
  readonly stream?: number;
  /** Method of a request: "grpc.AgentService/CreateContainer". */
  readonly call?: string;
  readonly timeout_ms?: number;
  readonly request?: Readonly<Record<string, unknown>>;
  /** Name of the call that a response answers: "CreateContainer". */
  readonly answers?: string;
  readonly response?: Readonly<Record<string, unknown>>;
  readonly status?: { readonly code: number; readonly message: string };
}

const proto = join(import.meta.dirname, "../../proto");
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith("google/") ? target : join(proto, target));
root.loadSync(["agent.proto", "health.proto"], { keepCase: true });

export const recordings: readonly string[] = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(".jsonl"))
  .map((name) => name.replace(".jsonl", ""));

export function readRecording(name: string): Line[] {
  const text = readFileSync(join(import.meta.dirname, `${name}.jsonl`), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

/** Returns the method with a path such as "grpc.Health/Check". */
export function methodOf(path: string): AnyMethod {
  const [service = "", name = ""] = path.split("/");
  const methods: Readonly<Record<string, Readonly<Record<string, AnyMethod>>>> = services;
  const method = methods[service]?.[name];
  if (method === undefined) throw new Error(`no method ${path}`);
  return method;
}

/** Converts a recorded message to the form of our decoder. In recordings, 64-bit numbers and bytes are text. */
export function toMessage(codec: AnyMethod["request"], json: Readonly<Record<string, unknown>>): object {
  const type = root.lookupType(codec.name);
  return codec.decode(type.encode(type.fromObject(json)).finish()) as object;
}

/** Converts a message to the form of recordings. */
export function toJson(codec: AnyMethod["request"], message: object): Record<string, unknown> {
  const type = root.lookupType(codec.name);
  return type.toObject(type.decode(codec.encode(message as never)), { longs: String, enums: String, bytes: String });
}
