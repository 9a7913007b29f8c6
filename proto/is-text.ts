import type { Field } from "protobufjs";

/** True for a uint64 that must not be rounded and is therefore decimal text in messages. */
export function isText(field: Field): boolean {
  return field.options?.["jstype"] === "JS_STRING";
}
