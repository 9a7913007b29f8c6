import { DecodeError } from "../../proto/codec.ts";
import { ttrpc } from "../../proto/gen/messages.js";
import type { Frame, OversizeFrame } from "../../proto/ttrpc-frame.ts";
import { monotonicMs } from "../kernel/monotonic-ms.ts";
import { type RpcStatus, status } from "../service/status.ts";

/** Timeout that marks a request of which only the names were kept; from a host it means no limit, like 0. */
const NAMES_ONLY = -1;

/** The call in a request frame. Nothing in it is a view of the chunk it was read from. */
export interface CallRequest {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  /** Deadline in ms of the monotonic clock; 0: none. */
  readonly deadline: number;
  readonly metadata: ReadonlyMap<string, string>;
  /** Body of the request frame. */
  readonly body: Buffer;
}

/** Decodes a request frame, or returns the status that refuses it, with the codes and texts of the Rust server. */
export function readRequest(frame: Frame | OversizeFrame): CallRequest | RpcStatus {
  const { streamId } = frame;
  if (streamId % 2 === 0) return status("invalid-argument", `stream id ${streamId} must be odd`);
  if (frame.kind === "oversize" && frame.noRoom === true) {
    return status("resource-exhausted", `request of ${frame.length} bytes: all memory for requests is in use`);
  }
  if (frame.kind === "oversize") {
    return status("invalid-argument", `request of ${frame.length} bytes is over the limit of 4 MiB`);
  }
  const body = frame.isView ? Buffer.from(frame.body) : frame.body;
  const request = decode(body);
  if (request instanceof DecodeError) return status("invalid-argument", request.message);
  const { service, method, payload, timeout_nano: nanos } = request;
  const deadline = nanos > 0 ? monotonicMs() + nanos / 1e6 : 0;
  return { service, method, payload, deadline, metadata: metadataOf(request), body };
}

/** Encodes only the names of a request, for a journal without room for the rest. */
export function namesOf({ service, method }: CallRequest): Uint8Array {
  return ttrpc.Request.encode({ service, method, timeout_nano: NAMES_ONLY }).finish(true);
}

/** Decodes a request kept by the previous agent; `whole` if it can be repeated. Undefined if it can't be decoded. */
export function readKept(body: Buffer, deadline: number): { request: CallRequest; whole: boolean } | undefined {
  const request = body.length === 0 ? undefined : decode(body);
  if (request === undefined || request instanceof DecodeError) return undefined;
  const { service, method, payload, timeout_nano } = request;
  const metadata = metadataOf(request);
  return { request: { service, method, payload, deadline, metadata, body }, whole: timeout_nano !== NAMES_ONLY };
}

const NO_METADATA: ReadonlyMap<string, string> = new Map();

function metadataOf({ metadata }: ttrpc.Request): ReadonlyMap<string, string> {
  return metadata.length === 0 ? NO_METADATA : new Map(metadata.map(({ key, value }) => [key, value]));
}

function decode(body: Buffer): ttrpc.Request | DecodeError {
  try {
    return ttrpc.Request.decode(body);
  } catch (error) {
    return new DecodeError(`decode ttrpc.Request of ${body.length} bytes: ${(error as Error).message}`);
  }
}
