import type { Enum, Field, Namespace, ReflectionObject, Type } from "protobufjs";
import protobuf from "protobufjs";
import { isText } from "./is-text.ts";

/** TypeScript types of scalars. 64-bit integers are numbers; see runtime.ts. */
const SCALARS: Readonly<Record<string, string>> = {
  string: "string",
  bytes: "Uint8Array",
  bool: "boolean",
  double: "number",
  float: "number",
  int32: "number",
  uint32: "number",
  sint32: "number",
  fixed32: "number",
  sfixed32: "number",
  int64: "number",
  uint64: "number",
  fixed64: "number",
};

/**
 * Generates the module's declarations: a namespace per package, with an interface and a value per message and a
 * constant per enum. Property names are proto names.
 */
export function declarations(root: Namespace): string {
  return [`import type { MessageType } from "../codec.ts";`, "", ...children(root, "export "), ""].join("\n");
}

function children(namespace: Namespace, prefix: string): string[] {
  return namespace.nestedArray.flatMap((object) => declaration(object, prefix));
}

function declaration(object: ReflectionObject, prefix: string): string[] {
  if (object instanceof protobuf.Type) return message(object, prefix);
  if (object instanceof protobuf.Enum) return enumeration(object, prefix);
  if (object instanceof protobuf.Service) return [];
  return inner(object as Namespace, prefix);
}

function inner(namespace: Namespace, prefix: string): string[] {
  const body = children(namespace, "");
  return body.length === 0 ? [] : [`${prefix}namespace ${namespace.name} {`, ...body.map(indent), "}"];
}

function message(type: Type, prefix: string): string[] {
  const fields = type.fieldsArray.flatMap((field) => [...comment(field), `${field.name}: ${fieldType(field)};`]);
  return [
    ...comment(type),
    `${prefix}interface ${type.name} {`,
    ...fields.map(indent),
    "}",
    ...messageValue(type, prefix),
  ];
}

/** Declares a message's value, with its enums as properties: a constant can't be a namespace too. */
function messageValue(type: Type, prefix: string): string[] {
  const value = `${prefix}const ${type.name}: MessageType<${type.name}>`;
  const enums = type.nestedArray.flatMap((one) => {
    if (!(one instanceof protobuf.Enum)) throw new Error(`declare ${one.fullName}: only enums can be in a message`);
    return [...comment(one), `readonly ${one.name}: {`, ...enumValues(one), "};"];
  });
  return enums.length === 0 ? [`${value};`] : [`${value} & {`, ...enums.map(indent), "};"];
}

/**
 * Returns a field's type. Absent messages and absent optional fields are null; other absent fields have their default.
 */
function fieldType(field: Field): string {
  field.resolve();
  if (isText(field)) return "string";
  const single = SCALARS[field.type] ?? (field.resolvedType instanceof protobuf.Enum ? "number" : absolute(field));
  if (field instanceof protobuf.MapField) return `{ [key: string]: ${single} }`;
  if (field.repeated) return `${single}[]`;
  return field.partOf !== null || field.resolvedType instanceof protobuf.Type ? `${single} | null` : single;
}

function absolute(field: Field): string {
  if (field.resolvedType === null) throw new Error(`declare ${field.fullName}: unknown type ${field.type}`);
  return field.resolvedType.fullName.slice(1);
}

function enumeration(type: Enum, prefix: string): string[] {
  return [...comment(type), `${prefix}const ${type.name}: {`, ...enumValues(type), "};"];
}

function enumValues(type: Enum): string[] {
  return Object.entries(type.values).map(([name, value]) => indent(`readonly ${name}: ${value};`));
}

function comment(object: ReflectionObject): string[] {
  return object.comment ? [`/** ${object.comment.replaceAll("\n", " ")} */`] : [];
}

const indent = (line: string): string => `  ${line}`;
