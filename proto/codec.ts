import protobuf from "protobufjs/minimal.js";

/** What may be given to encode a `T`: any part of it, to any depth. Null and undefined count as absent. */
export type Init<T> = T extends string | number | boolean | Uint8Array | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Init<Item>[]
    : string extends keyof T
      ? { readonly [key: string]: Init<T[string & keyof T]> }
      : { readonly [Key in keyof T]?: Init<T[Key]> | null | undefined };

/** One message of the generated module. `decode` throws whatever the runtime throws: use a Codec instead. */
export interface MessageType<T> {
  encode(message: Init<T>, writer?: protobuf.Writer): protobuf.Writer;
  decode(bytes: Uint8Array): T;
}

/** A message's bytes could not be read. `message` is one line and names the message. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

/** Message to bytes and back. Decoded byte fields are views of the bytes given, not copies. */
export interface Codec<T> {
  /** Full protobuf name, "grpc.CheckRequest". */
  readonly name: string;
  encode(message: Init<T>): Uint8Array;
  /** The same after so many bytes, at most 64, that the caller may write to. */
  encodeAfter(room: number, message: Init<T>): Uint8Array;
  /** Throws DecodeError. Fields unknown to us are dropped. */
  decode(bytes: Uint8Array): T;
}

/** A codec whose message type is forgotten. */
export interface AnyCodec {
  readonly name: string;
  encode(message: never): Uint8Array;
  encodeAfter(room: number, message: never): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

/** The codec of a generated message. */
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
