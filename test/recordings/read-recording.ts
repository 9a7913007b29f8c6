import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import type { AnyMethod } from "../../proto/method.ts";
import { services } from "../../proto/gen/services.js";

/** One line: what an unmodified Kata shim said to the reference agent, or the agent to it. */
export interface Line {
  readonly stream?: number;
  /** "grpc.AgentService/CreateContainer" */
  readonly call?: string;
  readonly timeout_ms?: number;
  readonly request?: Readonly<Record<string, unknown>>;
  /** "CreateContainer" */
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

/** The method that a path such as "grpc.Health/Check" names. */
export function methodOf(path: string): AnyMethod {
  const [service = "", name = ""] = path.split("/");
  const methods: Readonly<Record<string, Readonly<Record<string, AnyMethod>>>> = services;
  const method = methods[service]?.[name];
  if (method === undefined) throw new Error(`no method ${path}`);
  return method;
}

/** A recorded message as our own decoder gives it: 64-bit numbers and bytes are text in the recording. */
export function toMessage(codec: AnyMethod["request"], json: Readonly<Record<string, unknown>>): object {
  const type = root.lookupType(codec.name);
  return codec.decode(type.encode(type.fromObject(json)).finish()) as object;
}

/** A message as recordings have it. */
export function toJson(codec: AnyMethod["request"], message: object): Record<string, unknown> {
  const type = root.lookupType(codec.name);
  return type.toObject(type.decode(codec.encode(message as never)), { longs: String, enums: String, bytes: String });
}
