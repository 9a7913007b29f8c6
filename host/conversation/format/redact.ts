import type protobuf from "protobufjs";

/** Variables whose values are no secrets, and without which a replayed container wouldn't start. */
const PLAIN_VARIABLES: ReadonlySet<string> = new Set([
  "PATH",
  "HOME",
  "HOSTNAME",
  "LANG",
  "PWD",
  "SHELL",
  "TERM",
  "USER",
]);

/** Lists of NAME=VALUE. */
const VARIABLES: ReadonlySet<string> = new Set(["grpc.Process.Env", "grpc.Hook.Env"]);

/** Fields of text that are secret as a whole. */
const SECRET_TEXTS: ReadonlySet<string> = new Set([
  "grpc.SetPolicyRequest.policy",
  "grpc.GetDiagnosticDataResponse.data",
]);

/** Keys of annotations with secrets: policies, and data for the start of confidential guests. */
const SECRET_KEYS = /policy|init_?data/i;

/**
 * Returns the text that replaces a secret: as many x as it has bytes; of bytes as base64. Returns undefined if the field isn't
 * secret. All fields of bytes are: stdin, output, files, random numbers, rules. `key` is that of a map's value.
 */
export function redact(field: protobuf.Field, value: unknown, key?: string): string | undefined {
  if (value instanceof Uint8Array) return Buffer.alloc(value.length, "x").toString("base64");
  const name = `${field.parent?.fullName.slice(1)}.${field.name}`;
  if (VARIABLES.has(name)) return withoutValue(String(value));
  const secret = SECRET_TEXTS.has(name) || (key !== undefined && field.type === "string" && SECRET_KEYS.test(key));
  return secret ? hidden(String(value)) : undefined;
}

/** Returns as many x as the text has bytes. */
export function hidden(text: string): string {
  return "x".repeat(Buffer.byteLength(text));
}

function withoutValue(variable: string): string {
  const at = variable.indexOf("=");
  if (at < 0) return hidden(variable);
  const name = variable.slice(0, at);
  return PLAIN_VARIABLES.has(name) ? variable : `${name}=${hidden(variable.slice(at + 1))}`;
}
