import type { AnyCodec, Codec } from "./codec.ts";

/** One call: where it goes and how its two messages are encoded. No method of the contract streams. */
export interface Method<Request, Response> {
  /** Path as in gRPC, "/grpc.Health/Check". */
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

/** The decoded request of a method. */
export type RequestOf<M> = M extends Method<infer Request, infer _> ? Request : never;

/** The decoded response of a method. */
export type ResponseOf<M> = M extends Method<infer _, infer Response> ? Response : never;
