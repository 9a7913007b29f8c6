import protobuf from "protobufjs";
import { isJsonObject } from "../../../lib/parse-json.ts";
import { redact } from "./redact.ts";

/** A message as JSON: proto names, 64-bit integers as decimal text, bytes as base64, enums by name; absent fields are left out. */
export type JsonMessage = Readonly<Record<string, unknown>>;

/** Property with the fields of a message that its type doesn't have, each with its tag, as base64. */
const UNKNOWN = "$unknown";

/** Maximum number of fields in a message, as in the agent: a field of two bytes takes a hundred times that in memory. */
const MAX_FIELDS = 1 << 17;

const LONGS: ReadonlySet<string> = new Set(["int64", "uint64", "sint64", "fixed64", "sfixed64"]);

/** Keeps unknown fields, and throws Error above MAX_FIELDS. A byte of a packed field counts as a field. */
class BoundedReader extends protobuf.BufferReader {
  #fields = 0;
  override discardUnknown = false;

  override tag(): number {
    const tag = super.tag();
    this.#fields += 1;
    if (this.#fields > MAX_FIELDS) throw new Error(`more than ${MAX_FIELDS} fields`);
    return tag;
  }

  override uint64s(array?: never[]): never {
    const at = this.pos;
    this.#fields += this.uint32();
    this.pos = at;
    if (this.#fields > MAX_FIELDS) throw new Error(`more than ${MAX_FIELDS} fields`);
    return super.uint64s(array) as never;
  }
}

/** Converts an encoded message. With `redact`, replaces secrets by text of the same length. Throws Error. */
export function decodeJson(type: protobuf.Type, bytes: Uint8Array, redacted = false): JsonMessage {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return toJson(type, type.decode(new BoundedReader(buffer)) as unknown as Fields, redacted);
}

/** Encodes a message. Throws TypeError that names a field which the type doesn't have, or whose value it can't have. */
export function encodeJson(type: protobuf.Type, json: JsonMessage): Uint8Array {
  return type.encode(fromJson(type, json, type.name) as object).finish();
}

type Fields = Readonly<Record<string, unknown>> & { readonly $unknowns?: readonly Uint8Array[] };

function toJson(type: protobuf.Type, message: Fields, redacted: boolean): JsonMessage {
  const json: Record<string, unknown> = {};
  for (const field of type.fieldsArray) {
    const value = Object.hasOwn(message, field.name) ? message[field.name] : undefined;
    if (value === undefined || value === null || isEmpty(field, value)) continue;
    const one = (item: unknown, key?: string) => valueToJson(field, item, redacted, key);
    if (field instanceof protobuf.MapField) {
      json[field.name] = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, one(item, key)]));
    } else json[field.name] = Array.isArray(value) ? value.map((item) => one(item)) : one(value);
  }
  if (Object.hasOwn(message, "$unknowns") && !redacted) json[UNKNOWN] = message.$unknowns?.map(base64);
  return json;
}

/** True for a list or map without items, which a decoded message has for each such field. */
function isEmpty(field: protobuf.Field, value: unknown): boolean {
  return (field.repeated || field instanceof protobuf.MapField) && Object.keys(value as object).length === 0;
}

function valueToJson(field: protobuf.Field, value: unknown, redacted: boolean, key?: string): unknown {
  const type = field.resolvedType;
  if (type instanceof protobuf.Type) return toJson(type, value as Fields, redacted);
  if (type instanceof protobuf.Enum) return type.valuesById[Number(value)] ?? value;
  const hidden = redacted ? redact(field, value, key) : undefined;
  if (hidden !== undefined) return hidden;
  if (value instanceof Uint8Array) return base64(value);
  return LONGS.has(field.type) || (typeof value === "number" && !Number.isFinite(value)) ? String(value) : value;
}

function fromJson(type: protobuf.Type, json: JsonMessage, at: string): protobuf.Message {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === UNKNOWN) continue;
    const field = Object.hasOwn(type.fields, name) ? type.fields[name] : undefined;
    if (field === undefined) throw new TypeError(`${at}.${name}: ${type.name} has no such field`);
    fields[name] = fieldFromJson(field, value, `${at}.${name}`);
  }
  const made = Object.assign(type.create(), fields);
  const unknown = json[UNKNOWN];
  if (Array.isArray(unknown))
    Object.assign(made, { $unknowns: unknown.map((item) => Buffer.from(String(item), "base64")) });
  return made;
}

function fieldFromJson(field: protobuf.Field, value: unknown, at: string): unknown {
  if (field instanceof protobuf.MapField) {
    if (!isJsonObject(value)) throw new TypeError(`${at}: not an object`);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, valueFromJson(field, item, at)]));
  }
  if (!field.repeated) return valueFromJson(field, value, at);
  if (!Array.isArray(value)) throw new TypeError(`${at}: not a list`);
  return value.map((item) => valueFromJson(field, item, at));
}

function valueFromJson(field: protobuf.Field, value: unknown, at: string): unknown {
  const type = field.resolvedType;
  if (type instanceof protobuf.Type) {
    if (!isJsonObject(value)) throw new TypeError(`${at}: not an object`);
    return fromJson(type, value, at);
  }
  if (type instanceof protobuf.Enum) {
    const number = typeof value === "number" ? value : type.values[String(value)];
    if (number === undefined) throw new TypeError(`${at}: ${type.name} has no value ${JSON.stringify(value)}`);
    return number;
  }
  const wanted = field.type === "bool" ? "boolean" : isTextual(field.type) ? "string" : "number";
  if (LONGS.has(field.type)) {
    if (!/^-?\d{1,20}$/.test(String(value))) throw new TypeError(`${at}: not a whole number`);
    return String(value);
  }
  const given = wanted === "number" && /^(-?Infinity|NaN)$/.test(String(value)) ? Number(value) : value;
  if (typeof given !== wanted) throw new TypeError(`${at}: not a ${wanted}`);
  return field.type === "bytes" ? Buffer.from(String(value), "base64") : given;
}

const isTextual = (type: string) => type === "string" || type === "bytes";
const base64 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
