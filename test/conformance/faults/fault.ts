import type { Init } from "../../../proto/codec.ts";
import { agentService, health } from "../../../proto/gen/services.js";
import type { AnyMethod, RequestOf, ResponseOf } from "../../../proto/method.ts";

type Services = typeof agentService & typeof health;
export type CallName = keyof Services & string;
type RequestMessage<Name extends CallName> = RequestOf<Services[Name]>;
type ResponseMessage<Name extends CallName> = ResponseOf<Services[Name]>;

/** Result of a call on the wire. */
export type Reply = { readonly payload: Uint8Array } | { readonly code: number; readonly text: string };

/** One defect that an agent could have, to see whether a suite notices it. */
export interface Fault {
  /** The call, a colon, and the defect. Unique. */
  readonly name: string;
  /** Names of the cases of a suite that should fail. */
  readonly caughtBy: RegExp;
  /** Begins the defect for one run of a suite. */
  begin(): FaultHooks;
}

/** Changes on the way between a client and a correct agent. Messages are encoded. */
export interface FaultHooks {
  /** Call that is changed; every call if not set. */
  readonly call?: string | undefined;
  /** Changes what the agent gets. */
  request?(payload: Uint8Array): Uint8Array;
  /** Answers instead of the agent; undefined passes the request on. */
  answer?(payload: Uint8Array, envelope: Envelope): Reply | undefined;
  /** Changes what the client gets. */
  reply?(reply: Reply, request: Uint8Array): Reply;
  /** Changes the time limit that the agent gets, in nanoseconds. */
  timeout?(nanoseconds: number): number;
  /** Frames to pass to the agent instead of a request. */
  requestFrames?(frame: Buffer): readonly Buffer[];
  /** Frames to pass to the client instead of a response; "close" ends the connection after them. */
  responseFrames?(frame: Buffer): readonly (Buffer | "close")[];
  /** Delay of each response in milliseconds. */
  readonly delayMs?: number;
  /** True if a connection's next request waits for the response before. */
  readonly serial?: true;
  /** False closes a new connection; they are numbered from 1. */
  accepts?(connection: number): boolean;
}

/** Parts of a request besides its message. */
export interface Envelope {
  readonly method: string;
  readonly metadata: readonly { readonly key: string; readonly value: string }[];
}

export function fault(name: string, caughtBy: RegExp, hooks: FaultHooks | (() => FaultHooks)): Fault {
  return { name, caughtBy, begin: typeof hooks === "function" ? hooks : () => hooks };
}

/** Changes the responses of a call. Errors stay. */
export function response<Name extends CallName>(
  call: Name,
  change: (response: ResponseMessage<Name>, request: RequestMessage<Name>) => Init<ResponseMessage<Name>>,
): FaultHooks {
  const { request, response: codec } = methodOf(call);
  return {
    call,
    reply(reply, sent) {
      if (!("payload" in reply)) return reply;
      const changed = change(codec.decode(reply.payload) as never, request.decode(sent) as never);
      return { payload: codec.encode(changed as never) };
    },
  };
}

/** Changes the requests of a call before the agent gets them. */
export function request<Name extends CallName>(
  call: Name,
  change: (request: RequestMessage<Name>) => Init<RequestMessage<Name>>,
): FaultHooks {
  const codec = methodOf(call).request;
  return { call, request: (payload) => codec.encode(change(codec.decode(payload) as never) as never) };
}

/** Answers a call without the agent; undefined passes the request on. */
export function answer<Name extends CallName>(
  call: Name,
  answered: (request: RequestMessage<Name>) => Init<ResponseMessage<Name>> | Error | undefined,
): FaultHooks {
  const { request: codec, response: responses } = methodOf(call);
  return {
    call,
    answer(payload) {
      const is = answered(codec.decode(payload) as never);
      if (is === undefined) return undefined;
      return is instanceof Error ? { code: 13, text: is.message } : { payload: responses.encode(is as never) };
    },
  };
}

/** Answers a call with success without doing anything. */
export function ignored(call: CallName): FaultHooks {
  return answer(call, () => ({}));
}

/** Reports success, with an empty response, where the agent reports an error whose text and request match. */
export function accepted<Name extends CallName>(
  call: Name,
  matches: (text: string, request: RequestMessage<Name>) => boolean = () => true,
): FaultHooks {
  const codec = methodOf(call).request;
  return {
    call,
    reply: (reply, sent) =>
      "payload" in reply || !matches(reply.text, codec.decode(sent) as never) ? reply : { payload: new Uint8Array() },
  };
}

/** Changes the errors of a call, or of every call. */
export function error(
  call: CallName | undefined,
  change: (code: number, text: string) => { readonly code: number; readonly text: string },
): FaultHooks {
  return {
    call,
    reply: (reply) => ("payload" in reply ? reply : change(reply.code, reply.text)),
  };
}

function methodOf(call: CallName): AnyMethod {
  return { ...agentService, ...health }[call];
}
