import { codec, type MessageType } from "../../../proto/codec.ts";
import type { AnyMethod } from "../../../proto/method.ts";
import { RpcError } from "../rpc-error.ts";
import { checkAnswer } from "./check-answer.ts";

/** Decodes messages of one type that an agent sends. */
export interface Answer<T> {
  /** Returns the message with every field checked. Throws RpcError "internal". */
  decode(bytes: Uint8Array): T;
}

/** Returns the decoder of a generated message that agents send, by its full protobuf name. */
export function answer<T>(name: string, type: MessageType<T>): Answer<T> {
  const { decode } = codec(name, type);
  return { decode: (bytes) => guarded("", () => checkAnswer(name, decode(bytes))) };
}

/** Decodes and checks the response of a call. Throws RpcError "internal". */
export function decodeResponse({ path, response }: AnyMethod, bytes: Uint8Array): unknown {
  return guarded(`${path}: `, () => checkAnswer(response.name, response.decode(bytes)));
}

function guarded<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new RpcError("internal", `${what}${(error as Error).message}`, { cause: error });
  }
}
