import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { callType } from "../../host/conversation/format/call-types.ts";
import { decodeJson, encodeJson, type JsonMessage } from "../../host/conversation/format/message-json.ts";
import { type NumberedEntry, parseConversation } from "../../host/conversation/format/read-conversation.ts";
import type { AnyMethod } from "../../proto/method.ts";
import { services } from "../../proto/gen/services.js";

export const recordings: readonly string[] = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(".jsonl"))
  .map((name) => name.replace(".jsonl", ""));

/** Reads a conversation between an unmodified Kata shim and the reference agent. */
export function readRecording(name: string): NumberedEntry[] {
  const file = join(import.meta.dirname, `${name}.jsonl`);
  return parseConversation(readFileSync(file, "utf8"), file);
}

/** Returns the requests of a method, such as "CreateContainer". */
export function requestsOf(entries: readonly NumberedEntry[], method: string): JsonMessage[] {
  return entries.flatMap((entry) =>
    entry.kind === "request" && entry.method === method && entry.message !== undefined ? [entry.message] : [],
  );
}

/** Returns the codecs of a call. */
export function methodOf(service: string, name: string): AnyMethod {
  const methods: Readonly<Record<string, Readonly<Record<string, AnyMethod>>>> = services;
  const method = methods[service]?.[name];
  if (method === undefined) throw new Error(`no method ${service}/${name}`);
  return method;
}

/** Converts a recorded request to the form of our decoder. In recordings, 64-bit numbers and bytes are text. */
export function toMessage(service: string, name: string, json: JsonMessage): object {
  const type = callType(service, name);
  if (type === undefined) throw new Error(`no method ${service}/${name}`);
  return methodOf(service, name).request.decode(encodeJson(type.request, json)) as object;
}

/** Converts a request to the form of recordings. */
export function toJson(service: string, name: string, message: object): JsonMessage {
  const type = callType(service, name);
  if (type === undefined) throw new Error(`no method ${service}/${name}`);
  return decodeJson(type.request, methodOf(service, name).request.encode(message as never));
}
