import protobuf from "protobufjs/minimal.js";

/** Input for encoding a `T`: any subset of its fields, at any depth. Null and undefined count as absent. */
export type Init<T> = T extends string | number | boolean | Uint8Array | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Init<Item>[]
    : string extends keyof T
      ? { readonly [key: string]: Init<T[string & keyof T]> }
      : { readonly [Key in keyof T]?: Init<T[Key]> | null | undefined };

/** The part of protobufjs' Writer that callers use. */
interface MessageWriter {
  finish(shared?: boolean): Uint8Array;
}

/** A message type of the generated module. `decode` throws the runtime's errors; prefer a Codec. */
export interface MessageType<T> {
  encode(message: Init<T>, writer?: MessageWriter): MessageWriter;
  decode(bytes: Uint8Array): T;
}

/** Failure to decode a message. `message` is one line that names it. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

/** Encodes and decodes a message. Decoded byte fields are views of the input, not copies. */
export interface Codec<T> {
  /** Full protobuf name, such as "grpc.CheckRequest". */
  readonly name: string;
  encode(message: Init<T>): Uint8Array;
  /** Encodes after `room` bytes, at most 64, which the caller may write to. */
  encodeAfter(room: number, message: Init<T>): Uint8Array;
  /** Drops unknown fields. Throws DecodeError. */
  decode(bytes: Uint8Array): T;
}

/** A codec without its message type. */
export interface AnyCodec {
  readonly name: string;
  encode(message: never): Uint8Array;
  encodeAfter(room: number, message: never): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

/** Returns the codec of a generated message. */
export function codec<T>(name: string, type: MessageType<T>): Codec<T> {
  return {
    name,
    encode: (message) => type.encode(message).finish(true),
    encodeAfter(room, message) {
      const writer = protobuf.Writer.create();
      writer.pos = room;
      return type.encode(message, writer).finish(true);
    },
    decode(bytes) {
      try {
        return type.decode(bytes);
      } catch (error) {
        throw new DecodeError(`decode ${name} of ${bytes.length} bytes: ${(error as Error).message}`, { cause: error });
      }
    },
  };
}
