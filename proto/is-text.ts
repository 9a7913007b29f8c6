import type { Field } from "protobufjs";

/** A uint64 that must not be rounded: decimal text in messages. */
export function isText(field: Field): boolean {
  return field.options?.["jstype"] === "JS_STRING";
}
