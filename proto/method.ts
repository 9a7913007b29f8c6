import type { AnyCodec, Codec } from "./codec.ts";

/** A call: its path and the codecs of its two messages. No method of the protocol streams. */
export interface Method<Request, Response> {
  /** Path as in gRPC, such as "/grpc.Health/Check". */
  readonly path: string;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
}

/** Any method of any service, with its message types erased. */
export interface AnyMethod {
  readonly path: string;
  readonly request: AnyCodec;
  readonly response: AnyCodec;
}

/** Decoded request of a method. */
export type RequestOf<M> = M extends Method<infer Request, infer _> ? Request : never;

/** Decoded response of a method. */
export type ResponseOf<M> = M extends Method<infer _, infer Response> ? Response : never;
