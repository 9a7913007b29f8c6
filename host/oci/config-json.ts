import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import protobuf from "protobufjs";
import { packageRoot } from "../../lib/package-root.ts";
import { isJsonObject } from "../../lib/parse-json.ts";
import { grpc } from "../../proto/gen/messages.js";
import { parseExactJson } from "./exact-json.ts";
import { fieldNumber } from "./field-number.ts";

/** The only field whose JSON name is a different word. */
const RENAMED: Readonly<Record<string, string>> = { ociversion: "version" };

/** Handles a property that matches no field of the message. Throws by default. */
type OnUnknown = (field: string) => void;

/** Reads the config.json of an OCI bundle as the message for CreateContainer. Throws ConfigError. */
export function readConfig(path: string, onUnknown?: OnUnknown): grpc.Spec {
  const json = readJson(path);
  const spec = specFromJson(json, path, onUnknown);
  if (spec.Root !== null) spec.Root.Path = resolve(dirname(path), spec.Root.Path);
  return spec;
}

function readJson(path: string): unknown {
  try {
    return parseExactJson(readFileSync(path, "utf8"), path);
  } catch (error) {
    if (error instanceof SyntaxError) throw new ConfigError(error.message);
    throw new ConfigError(`${path}: ${(error as Error).message}`);
  }
}

/**
 * Converts a parsed config.json to a message. JSON names match the message's fields regardless of case. A name without
 * a field is refused, so that no setting is lost, or passed to `onUnknown` if given. `what` begins the message of a
 * ConfigError.
 */
export function specFromJson(json: unknown, what: string, onUnknown: OnUnknown = refuseUnknown(what)): grpc.Spec {
  const message = convertMessage(specType(), json, [], { what, onUnknown });
  return grpc.Spec.decode(grpc.Spec.encode(message as never).finish());
}

/** Error for an invalid config.json: one line that names the file and the field. */
class ConfigError extends Error {
  override readonly name = "ConfigError";
}

function refuseUnknown(what: string): OnUnknown {
  return (field) => {
    throw new ConfigError(`${what}: ${field} is not a field that guestd knows`);
  };
}

/** The file of a value, and the handler of unknown fields. */
interface Source {
  readonly what: string;
  readonly onUnknown: OnUnknown;
}

let loaded: protobuf.Type | undefined;

function specType(): protobuf.Type {
  if (loaded !== undefined) return loaded;
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => join(packageRoot(), "proto", target);
  root.loadSync("oci.proto", { keepCase: true }).resolveAll();
  loaded = root.lookupType("grpc.Spec");
  return loaded;
}

function convertMessage(type: protobuf.Type, json: unknown, at: readonly string[], source: Source): object {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object(json, at, source))) {
    if (value === null) continue;
    const here = [...at, key];
    const field = fieldOf(type, key);
    if (field === undefined) source.onUnknown(here.join("."));
    else out[field.name] = convertField(field, value, here, source);
  }
  // A missing number stands for all devices, which is -1 in the message; 0 is a valid number.
  if (type.name === "LinuxDeviceCgroup") return { Major: -1, Minor: -1, ...out };
  return out;
}

function fieldOf(type: protobuf.Type, key: string): protobuf.Field | undefined {
  const wanted = RENAMED[key.toLowerCase()] ?? key.toLowerCase();
  return type.fieldsArray.find((field) => field.name.toLowerCase() === wanted);
}

function convertField(field: protobuf.Field, json: unknown, at: readonly string[], source: Source): unknown {
  if (field instanceof protobuf.MapField) {
    const entries = Object.entries(object(json, at, source));
    return Object.fromEntries(entries.map(([key, value]) => [key, convertValue(field, value, [...at, key], source)]));
  }
  if (!field.repeated) return convertValue(field, json, at, source);
  if (!Array.isArray(json)) throw new ConfigError(`${source.what}: ${at.join(".")} is not a list`);
  return json.map((value, index) => convertValue(field, value, [...at.slice(0, -1), `${at.at(-1)}[${index}]`], source));
}

function convertValue(field: protobuf.Field, json: unknown, at: readonly string[], source: Source): unknown {
  if (field.resolvedType instanceof protobuf.Type) return convertMessage(field.resolvedType, json, at, source);
  const refuse = (why: string): never => {
    throw new ConfigError(`${source.what}: ${at.join(".")} ${why}`);
  };
  if (field.type === "string" || field.type === "bool") {
    const wanted = field.type === "bool" ? "boolean" : "string";
    return typeof json === wanted ? json : refuse(`is not a ${wanted}`);
  }
  if (typeof json !== "number" && typeof json !== "bigint") return refuse("is not a number");
  const number = fieldNumber(field, json);
  return typeof number === "string" ? refuse(number) : number.value;
}

function object(json: unknown, at: readonly string[], source: Source): object {
  if (isJsonObject(json)) return json;
  throw new ConfigError(`${source.what}: ${at.length === 0 ? "the top level" : at.join(".")} is not an object`);
}
